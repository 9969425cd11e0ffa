// Package session is what a connection is between a machine and its driver: the parts
// that remember and decide, and do nothing themselves. They know no socket, goroutine,
// lock or clock; where time matters the driver says what time it is.
//
// A [Session] holds the machine, which it guards (machine.go), and the parts, and decides
// what concerns several of them: its driver gives it bytes with Receive and a message with
// Encode, asks it whether to read on (MustPark), who gets a message (ForHandler, Deliver),
// what to write (Next) and whether all has left (IsDrained). What it decides by itself
// (that the connection ends, that somebody has to read on, to write or to look at the
// clock) it tells its [Host], which does it.
//
// Each part is a type in a file of its own, which alone can write its fields:
//
//   - [Life], in it [State]: how far the connection has come, what its peer does, and why
//     it ends. One function takes every step, and refuses those that the table of legal
//     steps does not have (phase.go, where they are drawn); [Talked] is what is left of
//     it while a connection is at rest.
//   - [Input], [Assembly], [Inbox]: bytes that have arrived, a message that arrives in
//     pieces, messages that wait for the program.
//   - [Sending]: whose turn it is to hand a message to the machine, what is held until the
//     peer consents, who waits for a confirmation.
//   - [Output]: what waits to be written, in order, and what the machine owes.
//   - [Waiter], [WaitList]: who waits, and in what order.
//   - [Talk]: whose turn it is to speak, on a wire that takes turns.
//   - [Reading]: what becomes of the reader's role, and whether a handler runs.
//   - [Watch]: what must not take for ever; [Limit] says which bound has been passed, and
//     [Patience] which count only in a shortage.
//   - [Broadcast]: a message on its way to many connections.
//   - [Tracker]: how long something has not moved.
//
// The zero value of a part is that of a connection at rest, which its Idle reports. A part
// is guarded by the lock of its connection: none may be used concurrently.
package session
