package session

import (
	"time"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// Session is a connection as its machine and its parts see it. It exists while something
// is under way; what outlives that, the counters and how far the conversation has come,
// is its driver's.
type Session struct {
	m      wire.Machine
	host   Host
	rules  *Rules
	stats  *Counters
	talked *Talked

	inbound
	asm        Assembly         // a message that arrives in pieces
	inbox      Inbox            // messages that wait for Receive or for the handler
	ready      WaitList         // receivers; none waits while the inbox has something
	readerWake WaitList         // the reader, while the inbox is full or a stream is open
	still      int              // events that the machine has told without consuming a byte
	transform  []wire.Transform // of the plugins

	out     Output
	crowded int      // more than so much output need be asked about
	drained WaitList // those who wait until the output is empty
	sending Sending
	talk    *Talk // where the wire takes turns

	life Life
	Reading
	Watch
	vital Vital
}

// Rules are what does not change, and is the same for all connections of a driver.
type Rules struct {
	Name                                                string // of the protocol
	Role                                                wire.Role
	Traits                                              wire.Traits
	MaxMessage                                          int64
	MaxStream                                           int64
	MaxOutput                                           int
	MaxInput                                            int
	MaxQueue                                            int
	Turn                                                time.Duration // how long a silence of the peer is enough, on a wire that takes turns
	MinRate                                             int           // bytes per second inside a message, over Progress
	Handshake, Answer, Progress, Idle, Stall, KeepAlive time.Duration // see Timeouts; 0 and below: for ever
	Patience                                            Patience
	Silence                                             string // what it may mean that the peer does not answer, or ""
	Handles                                             bool   // messages go to a handler
	Streams                                             bool   // it takes large ones piece by piece
	Stepwise                                            bool   // the program takes them one by one, and answers in their order
	Queues                                              bool   // the peer may be serving others first
	Unbounded                                           bool   // Handshake counts from the peer's first byte on, if Queues
	Traced                                              bool   // Host is told of all that goes either way
}

// Host is the driver of a Session, which does what the Session decides. Its methods are
// called with the connection's lock held.
type Host interface {
	// Peer names the peer, for errors.
	Peer() string
	// Now returns what time it is.
	Now() time.Time
	// Short reports whether memory is short.
	Short() bool
	// Unsent returns how many bytes that were written have not reached the peer's system.
	Unsent() int
	// Share returns p as bytes that several connections hold together.
	Share(p []byte) *bufpool.Shared
	// Transformed runs the plugins over a message that is to be sent, and may release the
	// lock for it. The result's bytes are buf, from bufpool.
	Transformed(m wire.Message) (out wire.Message, buf []byte, err error)
	// Untransformed likewise over one that was received, with the lock held.
	Untransformed(m wire.Message) (out wire.Message, buf []byte, err error)

	// Weighed is told that the Session may hold much more, or less.
	Weighed()
	// Freed is told that a message that had waited, and holds so much, was taken.
	Freed(held int64)
	// Flush is told that what waits is to be written. It may release the lock for it.
	Flush()
	// PassLater is told that PassTurn is to be called after d.
	PassLater(d time.Duration)
	// Unposted is told that a message of Broadcast could not be sent.
	Unposted(err error)

	// Succeeds is told that another goroutine is to take the reader's role over.
	Succeeds()
	// WakesReader is told that the reader is to look again.
	WakesReader()
	// LookAfter is told that Look is to be called after d, unless that is going to be already.
	LookAfter(d time.Duration)
	// Streaming reports whether the program reads a message piece by piece.
	Streaming() bool
	// Taken returns a figure that grows with what the peer takes and confirms.
	Taken() int64
	// Asked reports whether the peer's system was asked again, and when it was heard of last.
	Asked() (asked bool, heard time.Duration)
	// Overdue is told that a limit has been passed, which ends the connection.
	Overdue(l Limit, how string)
	// Queues is told that the server seems to be serving others first.
	Queues()

	// EndsOurs is told that our direction ends now.
	EndsOurs()
	// StaysOpen is told that the peer can say nothing more, and may still be answered; not
	// for ever.
	StaysOpen()
	// Closes is told that the end has begun, and is to be carried out.
	Closes()
	// Aborting is told that the connection ends at once, before anybody else is.
	Aborting(err error)
	// Aborted is told so when everybody is.
	Aborted()
	// Faulted is told that the machine can't be used any more: the connection ends at once.
	Faulted(err error, how Fault)

	// Counts is told what happens seldom.
	Counts(what Seldom)
	// Astray is told that questions and answers are out of step.
	Astray()
	// Late is told of a message, or of its loss, that has come in the place of the answer to
	// a question whose Call had given up.
	Late(question, m wire.Message, lost error)

	// Traced is told what goes to the peer, if Rules.Traced: p is borrowed.
	Traced(what string, m wire.Message, p []byte)
	// Heard is told what the machine has found in p, likewise.
	Heard(p []byte, ev *wire.Event)
	// Noted is told what comes with no bytes, likewise.
	Noted(what string)
}

// Begin begins what is under way. stats and talked are the driver's, and known to no
// other Session meanwhile; so is turns, which is nil where the wire takes none. vital
// is what the kernel tells about the peer.
func (s *Session) Begin(m wire.Machine, host Host, rules *Rules, stats *Counters, talked *Talked, turns *Talk, vital Vital) {
	s.vital = vital
	s.m, s.host, s.rules, s.stats, s.talked, s.talk = m, host, rules, stats, talked, turns
	s.crowded = min(rules.MaxOutput, tightOutput)
	s.inbound.rested(int64(stats.BytesIn))
	s.life.Rested(talked.Opened())
	s.out.Rested(stats.BytesOut, s.out.Hint())
	s.sending.Rested(stats.Confirmed)
}

// Idle reports whether nothing is under way.
func (s *Session) Idle() bool {
	return s.Reading == (Reading{}) && s.life.Idle() && s.inbound.idle() && s.asm.Idle() && s.inbox.Len() == 0 &&
		s.ready.Empty() && s.readerWake.Empty() && s.drained.Empty() && s.sending.Idle() && s.out.Idle() && s.transform == nil &&
		s.consumed == int64(s.stats.BytesIn) && s.out.Written() == s.stats.BytesOut && s.sending.ExpectConfirms() == s.stats.Confirmed
}

// spares is what makes a Session cheaper to use again.
type spares struct {
	inbox []Received
	hint  int32
}

// Spares returns what the next Session can use.
func (s *Session) Spares() spares { return spares{s.inbox.Space(), s.out.Hint()} }

// Reuse is given what Spares has returned.
func (s *Session) Reuse(of spares) {
	s.inbox.Reuse(of.inbox)
	s.out.Rested(0, of.hint)
}

// Transforms says through what messages go.
func (s *Session) Transforms(by []wire.Transform) { s.transform = by }

// overrun reports whether slack times what may wait for the program does.
func (s *Session) overrun(slack int) bool {
	return s.inbox.Full(slack*s.rules.MaxQueue, slack*s.rules.MaxInput)
}

// Queueing reports whether the handshake waits for a server that may be serving others
// first.
func (s *Session) Queueing() bool { return s.rules.Queues && !s.talked.Opened() }

// moved notes that the machine has made progress, or may.
func (s *Session) moved() { s.still = 0 }

// stands counts an event that came of no input, and returns how many there were one
// after the other.
func (s *Session) stands() int { s.still++; return s.still }

// wreck puts something in the machine's place that does nothing but return err.
func (s *Session) wreck(err error) { s.m = wreck{err} }

// Assembly returns the message that arrives in pieces, if there is one.
func (s *Session) Assembly() *Assembly { return &s.asm }

// Inbox returns the messages that wait for Receive or for the handler.
func (s *Session) Inbox() *Inbox { return &s.inbox }

// Ready returns the receivers; none waits while the inbox has something.
func (s *Session) Ready() *WaitList { return &s.ready }

// ReaderWake returns the list on which the reader waits, while the inbox is full or a stream is
// open.
func (s *Session) ReaderWake() *WaitList { return &s.readerWake }

// Transform returns what the plugins do to each message.
func (s *Session) Transform() []wire.Transform { return s.transform }

// Out returns what waits to be written.
func (s *Session) Out() *Output { return &s.out }

// Drained returns those who wait until the output is empty.
func (s *Session) Drained() *WaitList { return &s.drained }

// Sending returns whose turn it is to send.
func (s *Session) Sending() *Sending { return &s.sending }

// Talk returns whose turn it is to speak, nil where the wire takes no turns.
func (s *Session) Talk() *Talk { return s.talk }

// Life returns where the connection stands.
func (s *Session) Life() *Life { return &s.life }
