package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/parley-net/parley"
)

// anyOrder answers requests in whatever order they come.
type anyOrder struct {
	s         *session
	loop      bool
	greetings [][]*step // what each recorded server says before a request
	doubts    []doubt   // where it can't be known what answers what

	mu        sync.Mutex
	exchanges []*exchange
	taken     int // connections
	open      int
}

// exchange is a request and its answers.
type exchange struct {
	request *step
	at      int // which request of its connection it is, from 0
	answers []*step
	close   bool // then the server closes
	used    bool
}

func newAnyOrder(s *session, loop bool) *anyOrder {
	p := &anyOrder{s: s, loop: loop}
	for i, steps := range s.conns {
		greeting, exchanges, doubts := s.exchanges(steps)
		p.greetings = append(p.greetings, greeting)
		p.exchanges = append(p.exchanges, exchanges...)
		for _, d := range doubts {
			d.conn = i
			p.doubts = append(p.doubts, d)
		}
	}
	return p
}

func (p *anyOrder) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.loop && p.open == 0 && !slices.ContainsFunc(p.exchanges, func(x *exchange) bool { return !x.used })
}

// enter returns which recorded connection a new one is, and how it is greeted.
func (p *anyOrder) enter() (conn int, greeting []*step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	conn = p.taken
	if p.taken < len(p.greetings) {
		greeting = p.greetings[p.taken]
	}
	if p.taken++; p.loop && p.taken == len(p.greetings) {
		p.taken = 0
	}
	return conn, greeting
}

// find returns the exchange for a request, which is then used.
func (p *anyOrder) find(m parley.Message) (*exchange, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var spent []*exchange
	for _, x := range p.exchanges {
		switch {
		case !p.s.same(x.request, m, false):
		case x.used:
			spent = append(spent, x)
		default:
			x.used = true
			return x, nil
		}
	}
	got := p.s.shown(m)
	switch {
	case len(spent) == 0:
		return nil, fmt.Errorf("%s: no line expects what the client has sent\n  got: %s", p.s.file, got)
	case !p.loop:
		return nil, spent[len(spent)-1].request.Errorf("the client has sent this once too often\n  got: %s", got)
	}
	for _, x := range spent[1:] {
		x.used = false
	}
	return spent[0], nil
}

// play answers on one connection.
func (p *anyOrder) play(ctx context.Context, c *parley.Conn) error {
	conn, greeting := p.enter()
	defer func() {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}()
	if err := p.s.greet(ctx, c, conn); err != nil {
		return err
	}
	if err := p.say(ctx, c, nil, greeting); err != nil {
		return err
	}
	for {
		m, err := p.s.next(ctx, c)
		if err != nil {
			if errors.Is(err, parley.ErrPeerClosed) || errors.As(err, new(*parley.ConnError)) {
				return nil
			}
			return err
		}
		x, err := p.find(m)
		if err != nil {
			return err
		}
		if err := p.say(ctx, c, x.request, x.answers); err != nil || x.close {
			return err
		}
	}
}

// say sends answers.
func (p *anyOrder) say(ctx context.Context, c *parley.Conn, before *step, answers []*step) error {
	for _, st := range answers {
		if err := p.s.pause(ctx, before, st); err != nil {
			return err
		}
		if err := p.s.answer(ctx, c, st); err != nil {
			return p.s.unsent(st, err)
		}
		before = st
	}
	return nil
}
