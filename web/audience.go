package web

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus/queue"
)

// audience is those who subscribe to a target. The zero value is empty.
type audience struct {
	some atomic.Bool // there is somebody
	mu   sync.Mutex
	all  map[*listener]struct{}
}

// listener is one of them.
type listener struct {
	audience *audience
	queue    *queue.Queue[Message]
	send     func(context.Context, parley.Message) error
}

// add lets somebody listen, who speaks by send.
func (a *audience) add(o SubscribeOptions, take func(Message), send func(context.Context, parley.Message) error) Subscription {
	l := &listener{a, o.queue(take), send}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = make(map[*listener]struct{})
	}
	a.all[l] = struct{}{}
	a.some.Store(true)
	return l
}

// tell tells all. It never waits.
func (a *audience) tell(m Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for l := range a.all {
		l.queue.Put(m)
	}
}

// Send is Subscription's.
func (l *listener) Send(ctx context.Context, m parley.Message) error { return l.send(ctx, m) }

// Close is Subscription's.
func (l *listener) Close() {
	a := l.audience
	a.mu.Lock()
	delete(a.all, l)
	a.some.Store(len(a.all) > 0)
	a.mu.Unlock()
	l.queue.Close()
}
