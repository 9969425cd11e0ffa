package session

import "slices"

// Life is where a connection stands, and why.
type Life struct {
	State
	reason error         // why the end has begun
	err    error         // why the connection is closed; nil before
	cut    error         // why the program wants nothing more of it, also if it was closed before; nil before
	eofErr error         // what was wrong with the end of the peer's stream, or that it takes nothing more
	opens  WaitList      // Dial, until the handshake is done
	dead   chan struct{} // closed when err is set, if anybody asked
	done   chan struct{} // closed in PhaseDone, if anybody asked
	left   chan struct{} // closed when the peer's stream has ended, if anybody asked
	afters []*func()     // to be called when err is set

	draining  bool  // the server shuts down
	drainMark int64 // of the peer's bytes, those that had been read when draining began
	endTold   bool  // a receiver knows that the peer's stream has ended
}

// Talked is how far the conversation has come.
type Talked uint8

const (
	TalkedNot  Talked = iota // the handshake is not done
	TalkedOpen               // it is, and the last message was the peer's, if there was one
	TalkedLast               // the last message was ours
)

// Opened reports whether the handshake is done.
func (t Talked) Opened() bool { return t != TalkedNot }

// Open notes that the handshake is done.
func (t *Talked) Open() { *t = TalkedOpen }

// Heard notes a message of the peer. One that comes behind a handshake that was too late
// opens nothing.
func (t *Talked) Heard() {
	if t.Opened() {
		*t = TalkedOpen
	}
}

// Spoke notes a message of ours.
func (t *Talked) Spoke() {
	if t.Opened() {
		*t = TalkedLast
	}
}

// Idle reports whether nothing about the connection's life must be kept: it is open,
// and nobody waits for anything else.
func (l *Life) Idle() bool {
	return l.State == (State{PhaseOpen, PeerSending}) && !l.draining && !l.endTold &&
		l.opens.Empty() && !l.Watched() && l.done == nil
}

// Watched reports whether somebody may wait for the end of the peer's stream, or of
// the connection.
func (l *Life) Watched() bool { return l.dead != nil || l.left != nil || len(l.afters) > 0 }

// After notes that f is to be called when the connection is closed.
func (l *Life) After(f func()) *func() {
	l.afters = append(l.afters, &f)
	return &f
}

// Forget takes back what After has returned, and reports whether it was not too late.
func (l *Life) Forget(f *func()) bool {
	i := slices.Index(l.afters, f)
	if i >= 0 {
		l.afters = slices.Delete(l.afters, i, i+1)
	}
	return i >= 0
}

// TakeAfters returns what is to be called now that the connection is closed.
func (l *Life) TakeAfters() []*func() {
	all := l.afters
	l.afters = nil
	return all
}

// BeginClose begins the end, and reports whether it had not begun.
func (l *Life) BeginClose(reason error) bool {
	if !l.Advance(PhaseClosing) {
		return false
	}
	l.reason = reason
	return true
}

// Close ends the connection, and reports whether it had not ended.
func (l *Life) Close(err error) bool {
	if !l.Advance(PhaseClosed) {
		return false
	}
	l.err = err
	if l.dead != nil {
		close(l.dead)
	}
	l.opens.All(err)
	l.TellLeft()
	return true
}

// Cut notes that the program wants nothing more of the connection, and why.
func (l *Life) Cut(why error) { l.cut = why }

// WhyCut returns what Cut was told, or nil.
func (l *Life) WhyCut() error { return l.cut }

// Finish is called when nothing of the connection runs any more.
func (l *Life) Finish() {
	l.Advance(PhaseDone)
	if l.done != nil {
		close(l.done)
	}
}

// WhenClosed returns a channel that is closed when the connection is.
func (l *Life) WhenClosed() <-chan struct{} { return closedChan(&l.dead, l.Closed()) }

// WhenLeft returns a channel that is closed when the peer's stream has ended.
func (l *Life) WhenLeft() <-chan struct{} { return closedChan(&l.left, l.Ended() || l.Closed()) }

// TellLeft tells who has asked that the peer's stream has ended.
func (l *Life) TellLeft() {
	if l.left != nil {
		select {
		case <-l.left:
		default:
			close(l.left)
		}
	}
}

// WhenDone returns a channel that is closed when nothing of the connection runs any
// more.
func (l *Life) WhenDone() <-chan struct{} { return closedChan(&l.done, l.phase == PhaseDone) }

// closedChan returns *ch, which it makes if nobody has asked for it before.
func closedChan(ch *chan struct{}, closed bool) <-chan struct{} {
	if *ch == nil {
		*ch = make(chan struct{})
		if closed {
			close(*ch)
		}
	}
	return *ch
}

// EndsWith notes what was wrong with the end of the peer's stream.
func (l *Life) EndsWith(err error) { l.eofErr = err }

// Resets notes that the peer takes nothing more, and why.
func (l *Life) Resets(err error) {
	l.peerResets()
	l.eofErr = err
}

// WhyEnded returns why the peer's stream has ended; properly is what it is called if
// nothing was wrong with that.
func (l *Life) WhyEnded(properly error) error {
	if l.eofErr != nil {
		return l.eofErr
	}
	return properly
}

// Rested begins anew, for a connection whose handshake is done or not.
func (l *Life) Rested(opened bool) {
	if opened {
		l.State = State{PhaseOpen, PeerSending}
	}
}

// Failure says why nothing can be written any more; nil while that is possible.
func (l *Life) Failure() error {
	if l.err == nil && l.Reset() {
		return l.eofErr
	}
	return l.err
}

// Drain begins draining when the first mark bytes of the peer have been read, and
// reports whether it had not begun.
func (l *Life) Drain(mark int64) bool {
	if l.Closed() || l.draining {
		return false
	}
	l.draining, l.drainMark = true, mark
	return true
}

// Drains reports whether the connection is to end as soon as it is between messages.
func (l *Life) Drains() bool { return l.draining && !l.Ending() }

// TellEnd notes that a receiver knows of the end of the peer's stream.
func (l *Life) TellEnd() { l.endTold = true }

// Reason is why the end has begun.
func (l *Life) Reason() error { return l.reason }

// Err is why the connection is closed; nil before.
func (l *Life) Err() error { return l.err }

// EofErr is what was wrong with the end of the peer's stream, or that it takes nothing more.
func (l *Life) EofErr() error { return l.eofErr }

// Opens returns Dial, until the handshake is done.
func (l *Life) Opens() *WaitList { return &l.opens }

// Left is closed when the peer's stream has ended, if anybody asked.
func (l *Life) Left() chan struct{} { return l.left }

// Draining is the server shuts down.
func (l *Life) Draining() bool { return l.draining }

// Mark is of the peer's bytes, those that had been read when draining began.
func (l *Life) Mark() int64 { return l.drainMark }

// EndTold is a receiver knows that the peer's stream has ended.
func (l *Life) EndTold() bool { return l.endTold }
