package web

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley"
)

// send gives a message to a target: through a subscription to it if there is one, so that
// the page does not hear itself. A device may be away, or slow: what the page says to it
// waits in a lane of its own, in order, and the page goes on with everything else.
func (s *socket) send(req request, m parley.Message, give func()) {
	t, through, leave, err := s.through(req)
	if err != nil {
		give()
		s.fail(&req, err)
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.door.o.Limits.Call)
	end := func() { cancel(); leave(); give() }
	say := func() {
		defer end()
		if err = through.Send(ctx, m); err != nil {
			err = fmt.Errorf("%s: %w", t.Name(), err)
		}
		s.done(&req, err)
	}
	if t.Kind() != "device" {
		say()
		return
	}
	before, said := s.lanes[t], make(chan struct{})
	s.lanes[t] = said
	ended := s.beside(func() {
		defer close(said)
		wait(ctx, before)
		say()
	})
	if ended {
		end()
	}
}

// through returns a target and a handle to say something to it, with what lets go of that.
func (s *socket) through(req request) (t Target, through Subscription, leave func(), err error) {
	if t, err = s.door.target(s.caller, req.To, Send); err != nil {
		return nil, nil, nil, err
	}
	s.mu.Lock()
	for _, sub := range s.subs {
		if sub.target == t {
			through = sub.handle
		}
	}
	s.mu.Unlock()
	if through != nil {
		return t, through, func() {}, nil
	}
	if through, err = t.Subscribe(s.options(1, 1, false, nil), func(Message) {}); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", t.Name(), err)
	}
	return t, through, through.Close, nil
}

// call asks a target, beside what else the page does, and behind what the page has said to
// it before.
func (s *socket) call(req request, m parley.Message, give func()) {
	t, err := s.door.target(s.caller, req.To, Send)
	most := s.door.o.Limits.Call
	switch {
	case err != nil:
	case len(req.Ref) == 0:
		err = fmt.Errorf(`%s: a call needs a "ref", which its answer has too`, t.Name())
	case req.Wait < 0:
		err = fmt.Errorf(`%s: "timeout" is %v: want more than 0 seconds`, t.Name(), req.Wait)
	case req.Wait > 0 && req.Wait < most.Seconds():
		most = time.Duration(req.Wait * float64(time.Second))
	}
	if err != nil {
		give()
		s.fail(&req, err)
		return
	}
	before := s.lanes[t]
	ended := s.beside(func() {
		defer give()
		ctx, cancel := context.WithTimeout(s.ctx, most)
		defer cancel()
		began := time.Now()
		wait(ctx, before)
		answer, err := t.Call(ctx, m)
		s.door.told(s.ctx, t, began, err)
		if err != nil {
			if ctx.Err() == context.DeadlineExceeded {
				err = late(t, most, err)
			}
			s.fail(&req, fmt.Errorf("%s: %w", t.Name(), err))
			return
		}
		r := response{Ref: req.Ref}
		s.writeOut(func() outgoing { return r.valued(answer) }, func() []byte {
			none := response{Ref: req.Ref, Error: t.Name() + ": the answer has come, but " + errNoRoom.Error()}
			return none.encode()
		})
	})
	if ended {
		give()
	}
}

// late says that there was no answer in time, and why as far as it is known.
func late(t Target, most time.Duration, err error) error {
	if _, owned := t.(*Owned); owned {
		return fmt.Errorf("no answer within %v, and it may have arrived; the device is %s", most, t.State())
	}
	if errors.Is(err, parley.ErrNotSent) {
		return fmt.Errorf("no answer within %v, and the question was not sent; the connection: %s", most, t.State())
	}
	return fmt.Errorf("no answer within %v", most)
}

// beside does something while the page is read on. When too much is under way the page is
// not read until something of it has ended. ended says that the socket has: nothing is done.
func (s *socket) beside(do func()) (ended bool) {
	select {
	case s.calls <- struct{}{}:
	case <-s.ctx.Done():
		return true
	}
	s.ended.Go(func() {
		defer func() { <-s.calls }()
		do()
	})
	return false
}

// wait waits for done, if there is one, or the end of ctx.
func wait(ctx context.Context, done <-chan struct{}) {
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
