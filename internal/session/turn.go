package session

import (
	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// Sending is whose turn it is to hand a message to the machine, and what becomes of
// those that have been.
type Sending struct {
	turn     Turn
	ours     Direction
	held     *Held    // the message that has the turn until the peer grants its body
	turns    WaitList // senders that wait for their turn
	posted   int      // what messages of Broadcast among them cost; see PostCost
	sent     uint64   // messages that will be confirmed
	confirms WaitList // those who wait for that, in the order of sending
}

// Held is a message whose head has left and whose body waits for the peer's
// consent. Until then it has the turn: no other message can be sent.
type Held struct {
	Body   []byte          // nil: the sender writes it itself
	Whole  []byte          // to give back to bufpool, or nil
	Pool   *bufpool.Shared // where body is, or nil
	Sender *Waiter         // who waits for it, or nil
}

// Turn tells who may hand a message to the machine.
type Turn uint8

const (
	TurnFree   Turn = iota
	TurnTaken       // by who is handing one over, or is going to
	TurnHeld        // by held
	TurnStream      // likewise, and the sender writes its body itself
)

// Direction is what becomes of ours.
type Direction uint8

const (
	DirectionOpen   Direction = iota
	DirectionEnding           // nothing more is sent; what has been leaves
	DirectionEnded            // that has left, and so does nothing any more
)

// Ours returns what becomes of our direction.
func (s *Sending) Ours() Direction { return s.ours }

// EndOurs ends our direction, as soon as what has been sent has left.
func (s *Sending) EndOurs() { s.ours = max(s.ours, DirectionEnding) }

// OursEnds reports whether our direction is to end now, as out is empty.
func (s *Sending) OursEnds(out *Output) bool {
	if s.ours != DirectionEnding || s.turn != TurnFree || !s.turns.Empty() || !out.Idle() {
		return false
	}
	s.ours = DirectionEnded
	return true
}

// Idle reports whether nobody sends, nor waits until he may, or for a confirmation.
func (s *Sending) Idle() bool {
	return s.ours == DirectionOpen && s.turn == TurnFree && s.turns.Empty() && s.confirms.Empty()
}

// Rested begins anew, when n messages are confirmed.
func (s *Sending) Rested(n uint64) { s.sent = n }

// Take gives the turn to the caller, who has asked whether it is free.
func (s *Sending) Take() { s.turn = TurnTaken }

// Give gives the turn back.
func (s *Sending) Give() { s.turn = TurnFree }

// Hold keeps the turn for h until the peer grants its body.
func (s *Sending) Hold(h *Held) { s.held, s.turn = h, TurnHeld }

// HoldStream is hold for a message whose body its sender, who waits with w, writes.
func (s *Sending) HoldStream(w *Waiter) { s.held, s.turn = &Held{Sender: w}, TurnStream }

// Unhold returns the message that was held, or nil, and whether its sender writes the
// body. The turn is still taken.
func (s *Sending) Unhold() (h *Held, stream bool) {
	h, stream = s.held, s.turn == TurnStream
	if h != nil {
		s.held, s.turn = nil, TurnTaken
	}
	return h, stream
}

// Accepted counts a message that the machine has taken.
func (s *Sending) Accepted(sent wire.Sent) {
	if sent.Confirm {
		s.sent++
	}
}

// Confirmed tells those who have waited that n messages are confirmed.
func (s *Sending) Confirmed(n uint64) {
	for !s.confirms.Empty() && s.confirms.First().want <= n {
		s.confirms.Pop().Signal(nil)
	}
}

// Post queues a message of Broadcast, for which nobody waits.
func (s *Sending) Post(m wire.Message, p *bufpool.Shared) {
	s.posted += PostCost(m)
	s.turns.Push(&Waiter{msg: m, pool: p})
}

// PopTurn takes the first sender whose turn it is.
func (s *Sending) PopTurn() *Waiter {
	w := s.turns.Pop()
	if w.Post() {
		s.posted -= PostCost(w.msg)
	}
	return w
}

// Refuse turns the senders away, but not what Broadcast has sent: that still leaves.
func (s *Sending) Refuse(err error) {
	var posts WaitList
	for !s.turns.Empty() {
		if w := s.turns.Pop(); w.Post() {
			posts.Push(w)
		} else {
			w.Signal(err)
		}
	}
	s.turns = posts
}

// Drop turns everybody away. early is for those whose message has not begun to leave,
// late for the one whose body has not.
func (s *Sending) Drop(out *Output, early, late error) {
	for !s.turns.Empty() {
		w := s.turns.Pop()
		out.Part(w.pool)
		w.Signal(early)
	}
	s.posted = 0
	if h, _ := s.Unhold(); h != nil {
		out.Part(h.Pool)
		if h.Sender != nil {
			h.Sender.Signal(late)
		}
	}
}

// PostCost is what a message of Broadcast takes of Limits.MaxOutput while it
// queues.
func PostCost(m wire.Message) int { return m.Len() + 64 }

// Turn says who has the turn.
func (s *Sending) Turn() Turn { return s.turn }

// Held is the message that has the turn until the peer grants its body.
func (s *Sending) Held() *Held { return s.held }

// Turns returns senders that wait for their turn.
func (s *Sending) Turns() *WaitList { return &s.turns }

// BroadcastQueued is what messages of Broadcast among them cost; see PostCost.
func (s *Sending) BroadcastQueued() int { return s.posted }

// ExpectConfirms is messages that will be confirmed.
func (s *Sending) ExpectConfirms() uint64 { return s.sent }

// Confirms returns those who wait for that, in the order of sending.
func (s *Sending) Confirms() *WaitList { return &s.confirms }
