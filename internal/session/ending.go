package session

// IsDrained reports whether the output has left and the first n messages are confirmed.
func (s *Session) IsDrained(n uint64) bool {
	if s.life.Reset() {
		return true
	}
	if s.out.Pending() > 0 || s.sending.Turn() == TurnTaken { // a message is just being handed over
		return false
	}
	if s.life.Ended() || s.reader == ReaderGone {
		return true // a peer that is not heard any more neither grants nor confirms
	}
	if s.sending.Held() != nil || s.sending.Posted() > 0 {
		return false
	}
	if s.Queueing() {
		return true // the answer to our first words comes when the server has come to us
	}
	// A peer whose messages we drop may be closing too, and waiting for us.
	return s.out.Control() == ControlMuted || s.stats.Confirmed >= n && s.Machine().Awaiting() == 0
}

// TooLate: what comes next has been read since draining began, so the peer can't
// expect that it is taken. A message that waits for the peer's consent is an
// exception: that may stand behind it.
func (s *Session) TooLate() bool {
	return s.life.Drains() && s.asm.Idle() && s.sending.Held() == nil && s.in.Len() > 0 && s.consumed >= s.life.Mark()
}

// Deaf: a draining connection takes no new messages while those it has received
// are being served, unless somebody waits for something of the peer.
func (s *Session) Deaf() bool {
	return s.life.Drains() && s.asm.Idle() && !s.Awaited() && s.sending.Confirms().Empty() && s.sending.Held() == nil && !s.waitsForTurn()
}
