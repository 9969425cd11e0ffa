package parley

import "time"

// life is where a connection stands, and why.
type life struct {
	state
	reason error         // why the end has begun
	err    error         // why the connection is closed; nil before
	eofErr error         // what was wrong with the end of the peer's stream, or that it takes nothing more
	opens  waitList      // Dial, until the handshake is done
	dead   chan struct{} // closed when err is set, if anybody asked
	done   chan struct{} // closed in phaseDone, if anybody asked
	left   chan struct{} // closed when the peer's stream has ended, if anybody asked
	late   *time.Timer   // ends a connection whose peer has ended its stream

	draining bool  // the server shuts down
	mark     int64 // of the peer's bytes, those that had been read when draining began
	endTold  bool  // a receiver knows that the peer's stream has ended
}

// talked is how far the conversation has come.
type talked uint8

const (
	talkedNot  talked = iota // the handshake is not done
	talkedOpen               // it is, and the last message was the peer's, if there was one
	talkedLast               // the last message was ours
)

// opened reports whether the handshake is done.
func (t talked) opened() bool { return t != talkedNot }

// open notes that the handshake is done.
func (t *talked) open() { *t = talkedOpen }

// heard notes a message of the peer.
func (t *talked) heard() { *t = talkedOpen }

// spoke notes a message of ours.
func (t *talked) spoke() {
	if t.opened() {
		*t = talkedLast
	}
}

// idle reports whether nothing about the connection's life must be kept: it is open,
// and nobody waits for anything else.
func (l *life) idle() bool {
	return l.state == (state{phaseOpen, peerSending}) && !l.draining && !l.endTold &&
		l.opens.empty() && l.dead == nil && l.done == nil && l.left == nil
}

// beginClose begins the end, and reports whether it had not begun.
func (l *life) beginClose(reason error) bool {
	if !l.advance(phaseClosing) {
		return false
	}
	l.reason = reason
	return true
}

// close ends the connection, and reports whether it had not ended.
func (l *life) close(err error) bool {
	if !l.advance(phaseClosed) {
		return false
	}
	l.err = err
	if l.dead != nil {
		close(l.dead)
	}
	l.opens.all(err)
	l.tellLeft()
	if l.late != nil {
		l.late.Stop()
	}
	return true
}

// finish is called when nothing of the connection runs any more.
func (l *life) finish() {
	l.advance(phaseDone)
	if l.done != nil {
		close(l.done)
	}
}

// whenClosed returns a channel that is closed when the connection is.
func (l *life) whenClosed() <-chan struct{} { return closedChan(&l.dead, l.closed()) }

// whenLeft returns a channel that is closed when the peer's stream has ended.
func (l *life) whenLeft() <-chan struct{} { return closedChan(&l.left, l.ended() || l.closed()) }

// tellLeft tells who has asked that the peer's stream has ended.
func (l *life) tellLeft() {
	if l.left != nil {
		select {
		case <-l.left:
		default:
			close(l.left)
		}
	}
}

// whenDone returns a channel that is closed when nothing of the connection runs any
// more.
func (l *life) whenDone() <-chan struct{} { return closedChan(&l.done, l.phase == phaseDone) }

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

// endsWith notes what was wrong with the end of the peer's stream.
func (l *life) endsWith(err error) { l.eofErr = err }

// resets notes that the peer takes nothing more, and why.
func (l *life) resets(err error) {
	l.peerResets()
	l.eofErr = err
}

// whyEnded returns why the peer's stream has ended.
func (l *life) whyEnded() error {
	if l.eofErr != nil {
		return l.eofErr
	}
	return ErrPeerClosed
}

// failure says why nothing can be written any more; nil while that is possible.
func (l *life) failure() error {
	if l.err == nil && l.reset() {
		return l.eofErr
	}
	return l.err
}

// drain begins draining when the first mark bytes of the peer have been read, and
// reports whether it had not begun.
func (l *life) drain(mark int64) bool {
	if l.closed() || l.draining {
		return false
	}
	l.draining, l.mark = true, mark
	return true
}

// drains reports whether the connection is to end as soon as it is between messages.
func (l *life) drains() bool { return l.draining && !l.ending() }

// tellEnd notes that a receiver knows of the end of the peer's stream.
func (l *life) tellEnd() { l.endTold = true }
