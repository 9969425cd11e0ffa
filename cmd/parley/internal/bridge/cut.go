package bridge

import (
	"context"
	"sync"

	"github.com/parley-net/parley"
)

// targets are the connections with the target that are open. The zero value has none.
type targets struct {
	mu  sync.Mutex
	all map[*parley.Conn]struct{}
	ctx context.Context // ends when there are to be none any more; nil until it is needed
	end context.CancelFunc
}

// context ends with Bridge.Cut.
func (t *targets) context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun()
}

func (t *targets) begun() context.Context {
	if t.ctx == nil {
		t.ctx, t.end = context.WithCancel(context.Background())
	}
	return t.ctx
}

// add reports whether c may be.
func (t *targets) add(c *parley.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun().Err() != nil {
		return false
	}
	if t.all == nil {
		t.all = make(map[*parley.Conn]struct{})
	}
	t.all[c] = struct{}{}
	return true
}

func (t *targets) remove(c *parley.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, c)
}

// Cut ends all connections with the target at once, and lets none begin. It is for when the
// time of the server's Shutdown is over: a target that owes something is otherwise waited
// for as long as its connection's end may take.
func (b *Bridge) Cut() {
	t := &b.open
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun()
	t.end()
	for c := range t.all {
		go c.CloseNow() // its machine may be busy
	}
}
