package parley

import "github.com/parley-net/parley/wire"

// sending is whose turn it is to hand a message to the machine, and what becomes of
// those that have been.
type sending struct {
	turn     turn
	held     *held    // the message that has the turn until the peer grants its body
	turns    waitList // senders that wait for their turn
	posted   int      // what messages of Broadcast among them cost, see offer
	sent     uint64   // messages that will be confirmed
	confirms waitList // those who wait for that, in the order of sending
}

// held is a message whose head has left and whose body waits for the peer's
// consent. Until then it has the turn: no other message can be sent.
type held struct {
	body  []byte  // nil: the sender writes it itself
	whole []byte  // to give back to bufpool, or nil
	pool  *pool   // where body is, or nil
	w     *waiter // the sender, or nil
}

// turn tells who may hand a message to the machine.
type turn uint8

const (
	turnFree   turn = iota
	turnTaken       // by who is handing one over, or is going to
	turnHeld        // by held
	turnStream      // likewise, and the sender writes its body itself
)

// idle reports whether nobody sends, nor waits until he may, or for a confirmation.
func (s *sending) idle() bool {
	return s.turn == turnFree && s.turns.empty() && s.confirms.empty()
}

// take gives the turn to the caller, who has asked whether it is free.
func (s *sending) take() { s.turn = turnTaken }

// give gives the turn back.
func (s *sending) give() { s.turn = turnFree }

// hold keeps the turn for h until the peer grants its body.
func (s *sending) hold(h *held) { s.held, s.turn = h, turnHeld }

// holdStream is hold for a message whose body its sender, who waits with w, writes.
func (s *sending) holdStream(w *waiter) { s.held, s.turn = &held{w: w}, turnStream }

// unhold returns the message that was held, or nil, and whether its sender writes the
// body. The turn is still taken.
func (s *sending) unhold() (h *held, stream bool) {
	h, stream = s.held, s.turn == turnStream
	if h != nil {
		s.held, s.turn = nil, turnTaken
	}
	return h, stream
}

// accepted counts a message that the machine has taken.
func (s *sending) accepted(sent wire.Sent) {
	if sent.Confirm {
		s.sent++
	}
}

// confirmed tells those who have waited that n messages are confirmed.
func (s *sending) confirmed(n uint64) {
	for !s.confirms.empty() && s.confirms.first().want <= n {
		s.confirms.pop().signal(nil)
	}
}

// post queues a message of Broadcast, for which nobody waits.
func (s *sending) post(m Message, p *pool) {
	s.posted += postCost(m)
	s.turns.push(&waiter{msg: m, pool: p})
}

// popTurn takes the first sender whose turn it is.
func (s *sending) popTurn() *waiter {
	w := s.turns.pop()
	if w.post() {
		s.posted -= postCost(w.msg)
	}
	return w
}

// refuse turns the senders away, but not what Broadcast has sent: that still leaves.
func (s *sending) refuse(err error) {
	var posts waitList
	for !s.turns.empty() {
		if w := s.turns.pop(); w.post() {
			posts.push(w)
		} else {
			w.signal(err)
		}
	}
	s.turns = posts
}

// drop turns everybody away. early is for those whose message has not begun to leave,
// err for the one whose body has not.
func (s *sending) drop(out *output, early, err error) {
	for !s.turns.empty() {
		w := s.turns.pop()
		out.part(w.pool)
		w.signal(early)
	}
	s.posted = 0
	if h, _ := s.unhold(); h != nil {
		out.part(h.pool)
		if h.w != nil {
			h.w.signal(notSent(err))
		}
	}
}

// postCost is what a message of Broadcast takes of Limits.MaxOutput while it
// queues.
func postCost(m Message) int { return m.Len() + 64 }
