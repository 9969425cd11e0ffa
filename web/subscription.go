package web

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley/bus/queue"
)

// subscription is what a page hears of one target.
type subscription struct {
	socket *socket
	id     uint32
	target Target
	handle Subscription
	binary bool
	filter *filter    // or nil: all
	image  *imageForm // or nil: as they are
	cut    bool       // ends when something was missed
	seq    uint64
	credit credit
	newest *queue.Queue[Message] // of the policy latest: what waits for credit; or nil
}

// credit is what the page may be sent before it says that it has it. One that never says
// so is sent as much as its socket takes.
type credit struct {
	mu     sync.Mutex
	more   sync.Cond
	acks   bool // it says so
	sent   int  // not yet acknowledged
	most   int
	closed bool
}

// wait waits until there is credit, or the end.
func (c *credit) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.acks && c.sent >= c.most && !c.closed {
		c.more.Wait()
	}
}

// use waits for credit and uses it; ok is false at the end.
func (c *credit) use() (ok bool) {
	c.wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	return !c.closed
}

// ack gives credit back.
func (c *credit) ack(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks = true
	if n < 1 || n > c.sent {
		return fmt.Errorf(`"n" is %d: %d messages are not acknowledged yet`, n, c.sent)
	}
	c.sent -= n
	c.more.Broadcast()
	return nil
}

func (c *credit) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.more.Broadcast()
}

// options are those with which the socket subscribes.
func (s *socket) options(messages int, size int64, latest bool, kill func(error)) SubscribeOptions {
	if kill == nil {
		kill = func(error) {}
	}
	return SubscribeOptions{ID: s.id, Peer: s.peer, User: s.caller.name, Messages: messages, Bytes: size, Latest: latest, Kill: kill}
}

// subscribe begins a subscription.
func (s *socket) subscribe(req request) error {
	if req.ID == nil {
		return errors.New(`"id" is missing: a number of yours for the subscription`)
	}
	t, err := s.door.target(s.caller, req.To, Read)
	if err != nil {
		return err
	}
	if err := s.subscribeTo(t, req); err != nil {
		return fmt.Errorf("%s: %w", t.Name(), err)
	}
	return nil
}

func (s *socket) subscribeTo(t Target, req request) error {
	sub := &subscription{socket: s, id: *req.ID, target: t, binary: req.Binary == nil || *req.Binary}
	if err := errors.Join(req.Filter.check(), req.Image.check()); err != nil {
		return err
	}
	sub.filter, sub.image = req.Filter, req.Image
	sub.credit.more.L = &sub.credit.mu
	sub.credit.most = s.door.o.Limits.CreditMessages
	if req.Credit < 0 || req.Credit > sub.credit.most {
		return fmt.Errorf(`"credit" is %d: 1 to %d messages may be under way`, req.Credit, sub.credit.most)
	}
	if req.Credit > 0 {
		sub.credit.acks, sub.credit.most = true, req.Credit
	}
	latest := false
	switch req.Policy {
	case "", "drop":
	case "latest":
		latest = true
	case "cut":
		sub.cut = true
	default:
		return fmt.Errorf("there is no policy %.40q: use latest, drop or cut", req.Policy)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs == nil {
		return errClosing
	}
	if s.subs[sub.id] != nil {
		return fmt.Errorf("subscription %d is there already: unsub it first", sub.id)
	}
	if len(s.subs) >= s.door.o.Limits.Subscriptions {
		return fmt.Errorf("%d subscriptions are all that a socket may have", len(s.subs))
	}
	l := s.door.o.Limits
	kill := func(err error) { s.ws.Close(websocket.StatusPolicyViolation, short(err.Error())) }
	o, take := s.options(l.CreditMessages, l.CreditBytes, latest, kill), sub.take
	if latest {
		sub.keepNewest(o)
		take = sub.offer
	}
	handle, err := t.Subscribe(o, take)
	if err != nil {
		sub.end()
		return err
	}
	sub.handle = handle
	s.subs[sub.id] = sub
	return nil
}

// keepNewest has messages wait for credit where newer ones can still replace them.
func (sub *subscription) keepNewest(o SubscribeOptions) {
	sub.newest = queue.New(queue.Options[Message]{Messages: o.Messages, Bytes: o.Bytes, Latest: true,
		Size:   func(m Message) int { return m.Len() },
		Count:  func(m Message) uint64 { return max(m.Missed, 1) },
		Ready:  sub.credit.wait,
		Serve:  sub.take,
		Missed: func(n uint64) { sub.take(Message{Missed: n, At: time.Now()}) },
	})
}

// offer has a message wait for credit if the page wants it.
func (sub *subscription) offer(m Message) {
	if sub.filter.fits(m) {
		sub.newest.Put(m)
	}
}

// end lets nobody wait any more.
func (sub *subscription) end() {
	sub.credit.close()
	if sub.newest != nil {
		sub.newest.Close()
	}
	if sub.handle != nil {
		sub.handle.Close()
	}
}

// take gives a message to the page.
func (sub *subscription) take(m Message) {
	if !sub.filter.fits(m) || !sub.credit.use() {
		return
	}
	s := sub.socket
	if sub.cut && m.Missed > 0 {
		s.write(response{ID: &sub.id, Error: fmt.Sprintf("%s: %d messages missed, and the policy is cut", sub.target.Name(), m.Missed)})
		go s.drop(sub.id)
		return
	}
	sub.seq++
	s.door.counted.missed.Add(m.Missed)
	if m.Missed == 0 {
		s.door.counted.sent.Add(1)
	}
	s.writeOut(func() outgoing { return sub.frame(m) }, func() []byte { return sub.missed(m) })
}

// frame returns the frame of a message.
func (sub *subscription) frame(m Message) outgoing {
	if sub.image != nil && m.Missed == 0 && m.Error == "" {
		o, err := sub.image.event(sub.id, sub.seq, m)
		if err == nil {
			return o
		}
		m.Error = err.Error()
	}
	return event(sub.id, sub.seq, m, sub.binary)
}

// missed returns the frame that says that m, for which there is no room, is missing here.
func (sub *subscription) missed(m Message) []byte {
	sub.socket.door.counted.missed.Add(1)
	return event(sub.id, sub.seq, Message{Missed: 1, At: m.At}, false).before
}

// drop ends a subscription.
func (s *socket) drop(id uint32) bool {
	s.mu.Lock()
	sub := s.subs[id]
	delete(s.subs, id)
	s.mu.Unlock()
	if sub == nil {
		return false
	}
	sub.end()
	return true
}

func (s *socket) unsubscribe(req request) error {
	if req.ID == nil || !s.drop(*req.ID) {
		return errors.New(`"id" names no subscription`)
	}
	return nil
}

func (s *socket) ack(req request) error {
	if req.ID == nil {
		return errors.New(`"id" names no subscription`)
	}
	s.mu.Lock()
	sub := s.subs[*req.ID]
	s.mu.Unlock()
	if sub == nil {
		return errors.New(`"id" names no subscription`)
	}
	return sub.credit.ack(req.N)
}

// closeSubs ends all subscriptions.
func (s *socket) closeSubs() {
	s.mu.Lock()
	subs := s.subs
	s.subs = nil
	s.mu.Unlock()
	for _, sub := range subs {
		sub.end()
	}
}
