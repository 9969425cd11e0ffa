package session

// Reading is what becomes of the reader's role, which one goroutine at a time has, and
// what the peer and the program are in the middle of. A loop that tells when there is
// something to read is what a connection at rest has.
type Reading struct {
	reader  Reader
	handler handlerState
	partial bool // a message has begun and the reader waits for its rest
}

// handlerState is what the handler does.
type handlerState uint8

const (
	handlerNone    handlerState = iota
	handlerRuns                 // nothing is confirmed ahead of it; see confirmsAhead
	handlerOverdue              // likewise, but it must be seen whether the peer has answered
)

// Reader tells what the goroutine with the reader's role is doing.
type Reader uint8

const (
	ReaderAttached  Reader = iota // none: a loop tells when there is something to read
	ReaderBusy                    // reading, or running the machine
	ReaderInHandler               // in a handler: the role can be taken over
	ReaderInStream                // parked: a Stream reads
	ReaderParked                  // parked: the inbox is full
	ReaderGone                    // ended
)

// ReaderIs notes what the reader does now.
func (r *Reading) ReaderIs(now Reader) { r.reader = now }

// Reader returns what the reader does.
func (r *Reading) Reader() Reader { return r.reader }

// Reads reports whether what arrives is read.
func (r *Reading) Reads() bool { return r.reader == ReaderBusy || r.reader == ReaderAttached }

// BeginHandler notes that the reader runs a handler, or other code of the program.
func (r *Reading) BeginHandler() { r.handler, r.reader = handlerRuns, ReaderInHandler }

// EndHandler notes that it has returned. The reader may be another one by then.
func (r *Reading) EndHandler() { r.handler = handlerNone }

// AnswerDue notes that it must be seen whether the peer has answered, though a handler
// runs.
func (r *Reading) AnswerDue() {
	if r.handler == handlerRuns {
		r.handler = handlerOverdue
	}
}

// AwaitRest notes whether the reader waits for the rest of a message.
func (r *Reading) AwaitRest(partial bool) { r.partial = partial }

// Handling reports whether a handler runs.
func (r *Reading) Handling() bool { return r.handler != handlerNone }

// Partial reports whether a message has begun and the reader waits for its rest.
func (r *Reading) Partial() bool { return r.partial }

// EnsureReader makes sure that somebody reads while the caller waits: if the reader's role
// belongs to a goroutine that is in a handler, another one takes it over; a parked one
// looks again whether it can go on.
func (s *Session) EnsureReader() {
	s.readerWake.All(nil)
	s.FinishIfServed() // what is waited for may not come any more
	if s.reader == ReaderInHandler && !s.host.Streaming() && s.life.Err() == nil {
		s.host.Succeeds()
	}
}

// WakeReader makes the reader look whether a draining connection can end.
func (s *Session) WakeReader() {
	if s.life.Drains() {
		s.host.WakesReader()
	}
}
