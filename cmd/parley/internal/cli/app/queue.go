package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// queueStay is how long a command that ends waits for the server whose queue it has
// left.
const queueStay = 5 * time.Second

// queued are the dialers of servers that serve so many clients at a time. A dial
// that ends in the queue of one has said its farewell, and keeps its connection
// until the server has come to it: an original does not survive that the process is
// gone by then.
type queued struct {
	mu  sync.Mutex
	all []queuedDialer
}

type queuedDialer struct {
	*parley.Dialer
	at endpoint.Endpoint
}

// Add notes d, which has connected to e in vain or is going to, where that matters.
func (q *queued) Add(d *parley.Dialer, e endpoint.Endpoint) {
	if e.Protocol.Traits().Clients == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = slices.DeleteFunc(q.all, func(d queuedDialer) bool { return d.Wait(over()) == nil })
	q.all = append(q.all, queuedDialer{d, e})
}

// over returns a context that has ended: what is waited for with it must be there.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// LeaveQueues is called when the command is over. It waits until the servers have
// come to what was said in their queues, but not for long.
func (a *App) LeaveQueues() {
	a.Queued.mu.Lock()
	defer a.Queued.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), queueStay)
	defer cancel()
	for _, d := range a.Queued.all {
		if d.Wait(over()) == nil {
			continue
		}
		fmt.Fprintf(a.Stderr, "parley: %s serves somebody else; waiting up to %v until it has come to the farewell in its queue\n", d.at, queueStay)
		if d.Wait(ctx) != nil {
			fmt.Fprintf(a.Stderr, "parley: %s has not come to the farewell: an original oneline server ends when it does\n", d.at)
		}
	}
}
