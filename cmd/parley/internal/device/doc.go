// Package device simulates a device that a file describes: what it answers to
// a request, after which time, and what goes wrong on the way.
//
// A file is read to a [Definition], which does not change. A [Device] is one
// that answers, with its state; a [Session] is a client's conversation with
// it. Nothing here has a socket, a goroutine or a clock: the time is given, and
// what is to be waited for is told.
//
//	def, err := device.Read(device.Source{Path: "psu.toml", Content: b, Typed: typed})
//	dev := device.New(def, device.Config{Seed: 1, Began: time.Now(), Typed: typed})
//	s := dev.Session()
//	reply := s.Answer(message, time.Now()) // wait reply.Delay, send reply.Answers
//
// A request goes one way: a message is cut into commands (scpi.go), of which
// each finds its rule (program.go, tree.go, header.go); the rule changes the
// state (assign.go, variable.go) and makes messages (rule.go, template.go,
// expression.go, waveform.go), which faults may spoil (fault.go). What no rule
// takes is for the common commands (ieee488.go). A file of pyvisa-sim has its
// own way (visa.go).
package device
