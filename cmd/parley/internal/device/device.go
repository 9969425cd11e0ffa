package device

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-net/parley/wire"
)

// Config is what a Device is given besides its file.
type Config struct {
	// Seed makes everything random the same again: faults, noise, delays. Each
	// session has a row of numbers of its own.
	Seed uint64
	// Faults are added to those of the file.
	Faults Faults
	// Began is when the device was switched on.
	Began time.Time
	// Typed makes a message of a type that the file names, as in Source.
	Typed func(kind, value string) (wire.Message, error)
}

// Device is a device that answers. All methods may be called concurrently, but
// those of one Session one after the other.
type Device struct {
	seed   uint64
	extra  Faults
	began  time.Time
	typed  func(kind, value string) (wire.Message, error)
	mu     sync.Mutex
	def    *Definition
	shared *state     // unless each session has its own
	visa   *visaState // of a device of pyvisa-sim
	opened uint64     // sessions
}

// New switches a device on.
func New(def *Definition, c Config) *Device {
	d := &Device{seed: c.Seed, extra: c.Faults, began: c.Began, typed: c.Typed}
	d.Reload(def)
	return d
}

// Reload makes the device that of a file that has been read again. Its state
// is kept: a variable keeps its value where the new file still has it.
func (d *Device) Reload(def *Definition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.def = def
	if def.prog == nil {
		d.visa = newVisaState(def.visa, d.visa)
		return
	}
	if d.shared == nil {
		d.shared = newState(def.prog)
	}
	d.shared.follow(def.prog)
}

// Session begins a client's conversation.
func (d *Device) Session() *Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened++
	s := &Session{device: d, rand: rand.New(rand.NewPCG(d.seed, d.opened))}
	s.faults = rand.New(rand.NewPCG(d.seed, d.opened|1<<63))
	return s
}

// MaxClients is how many clients the device serves at a time; 0: any number.
func (def *Definition) MaxClients() int {
	if def.prog == nil {
		return 0
	}
	return def.prog.maxClients
}

// SpeaksFirst reports whether the device says something that nobody has asked
// for: a greeting, a prompt, or what it says from time to time.
func (def *Definition) SpeaksFirst() bool {
	p := def.prog
	return p != nil && (len(p.greeting) > 0 || p.prompt != nil || len(p.every) > 0)
}

// HasPrompt reports whether the device ends what it says with a prompt, which
// has no line end.
func (def *Definition) HasPrompt() bool { return def.prog != nil && def.prog.prompt != nil }

// Random reports whether anything about the device depends on its seed.
func (def *Definition) Random(extra Faults) bool {
	return extra.any() || def.prog != nil && def.prog.faults.any()
}

// Ends returns what ends a request and an answer of a device of pyvisa-sim.
func (def *Definition) Ends() (request, answer string, ok bool) {
	if def.visa == nil {
		return "", "", false
	}
	return def.visa.requestEnd, def.visa.answerEnd, true
}

// Session is a client's conversation with a device.
type Session struct {
	device *Device
	own    *state // if each session has its own
	rand   *rand.Rand
	faults *rand.Rand // by itself, so that they do not depend on what the file does
	due    []time.Time
	dueOf  *program
}

// Reply is what a device has to say to a message.
type Reply struct {
	Delay   time.Duration // before all
	Answers []Answer
	Close   bool     // then the connection ends
	Unknown bool     // the file has nothing for this request
	Notes   []string // for the log

	open []byte // what the last message becomes, while more is joined to it
}

// Answer is one message.
type Answer struct {
	Delay   time.Duration // before it
	Message wire.Message
	Open    bool  // it is a prompt, which no line end follows
	Err     error // it can't be made; the connection ends
}

// state returns the state that the session sees. The lock is held.
func (s *Session) state() *state {
	prog := s.device.def.prog
	if !prog.ownState {
		return s.device.shared
	}
	if s.own == nil {
		s.own = newState(prog)
	}
	s.own.follow(prog)
	return s.own
}

// Answer returns what the device says to m, and changes its state.
func (s *Session) Answer(m wire.Message, now time.Time) Reply {
	d := s.device
	d.mu.Lock()
	defer d.mu.Unlock()
	text := payload(m)
	var r Reply
	faults := d.extra
	if d.def.prog != nil {
		r = s.run(m, text, now)
		faults = d.def.prog.faults.and(d.extra)
	} else {
		r = d.visa.answer(text, s.rand)
	}
	faults.spoil(&r, s.faults)
	if p := d.def.prog; p != nil {
		s.dress(p, &r, text, now)
	}
	return r
}

// payload returns what a request is matched by.
func payload(m wire.Message) string {
	if b, ok := m.Plain(); ok {
		return string(b)
	}
	if m.Type() == wire.TypeText || m.Type() == wire.TypeBytes {
		return string(m.Bytes())
	}
	return m.Text()
}

// dress puts the echo before what is answered, and the prompt behind it.
func (s *Session) dress(p *program, r *Reply, text string, now time.Time) {
	if p.echo {
		r.Answers = append([]Answer{{Message: wire.Text(text)}}, r.Answers...)
	}
	if p.prompt != nil && !r.Close {
		r.Answers = append(r.Answers, s.promptOf(p, now))
	}
}

func (s *Session) promptOf(p *program, now time.Time) Answer {
	text, err := p.prompt.expand(s.scope(now))
	return Answer{Message: wire.Text(text), Open: true, Err: err}
}

// scope returns what templates see that answer nobody.
func (s *Session) scope(now time.Time) *scope {
	return &scope{session: s, st: s.state(), now: now}
}

// Greeting returns what the device says when a client has come.
func (s *Session) Greeting(now time.Time) []Answer {
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	p := s.device.def.prog
	if p == nil {
		return nil
	}
	out := s.messages(p.greeting, s.scope(now))
	if p.prompt != nil {
		out = append(out, s.promptOf(p, now))
	}
	return out
}

// Due returns what the device says by itself at this time, and when it will
// next; the zero time: never.
func (s *Session) Due(now time.Time) (out []Answer, next time.Time) {
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	p := s.device.def.prog
	if p == nil || len(p.every) == 0 {
		return nil, time.Time{}
	}
	if s.dueOf != p {
		s.dueOf, s.due = p, make([]time.Time, len(p.every))
		for i, e := range p.every {
			s.due[i] = now.Add(s.wait(e.interval))
		}
	}
	for i, e := range p.every {
		if !s.due[i].After(now) {
			out = append(out, s.messages(e.responses, s.scope(now))...)
			s.due[i] = now.Add(s.wait(e.interval))
		}
		if next.IsZero() || s.due[i].Before(next) {
			next = s.due[i]
		}
	}
	return out, next
}

// messages makes responses.
func (s *Session) messages(list []response, sc *scope) []Answer {
	var out []Answer
	for i := range list {
		a := Answer{Delay: s.wait(list[i].delay)}
		a.Message, a.Err = list[i].message(sc)
		out = append(out, a)
	}
	return out
}
