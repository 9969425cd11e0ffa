package tap

import (
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/wire"
)

// EventKind says what happened on a connection.
type EventKind uint8

// The kinds of events.
const (
	Opened EventKind = iota // a client came, and the target took the connection
	Failed                  // a client came, and the target can't be reached: Err
	Data                    // From has sent Data
	Missed                  // From has sent N bytes that were passed on but not kept: see Proxy.MaxBehind
	Ended                   // From has ended its direction
	Reset                   // From has reset the connection: Err
	Closed                  // the connection is over
)

// Event is something that the proxy saw. The events of all connections come in
// the order in which they were seen.
type Event struct {
	Conn uint64 // counts the connections from 1
	Time time.Time
	Kind EventKind
	From wire.Role
	Data []byte // belongs to whoever takes the event
	N    int
	Err  error
	// Client and Server are the far ends' addresses, with Opened.
	Client, Server net.Addr
}

// queue keeps events until somebody has the time for them. Nobody who puts one
// in waits.
type queue struct {
	mu      sync.Mutex
	events  []Event
	size    int // bytes of data in them
	limit   int
	tell    func(more int) // or nil
	closed  bool
	changed chan struct{} // has an element when something has changed
}

func newQueue(limit int, tell func(more int)) *queue {
	return &queue{limit: limit, tell: tell, changed: make(chan struct{}, 1)}
}

// put adds an event of now. p is copied; beyond the limit it is Missed.
func (q *queue) put(ev Event, p []byte) {
	if ev.Kind == Data && q.reserve(len(p)) {
		ev.Data = append([]byte(nil), p...) // not under the lock
	} else if ev.Kind == Data {
		ev.Kind, ev.N = Missed, len(p)
	}
	q.mu.Lock()
	ev.Time = time.Now()
	q.events = append(q.events, ev)
	q.mu.Unlock()
	q.wake()
}

// reserve makes room for n bytes, if there is any.
func (q *queue) reserve(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size+n > q.limit {
		return false
	}
	q.resize(n)
	return true
}

// resize notes that n bytes more wait. It is called with the lock held.
func (q *queue) resize(n int) {
	q.size += n
	if q.tell != nil && n != 0 {
		q.tell(n)
	}
}

// close says that no more will come.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// take removes all events there are. It waits for one, and returns none when
// no more will come. Their data counts against the limit until done is called.
func (q *queue) take() (events []Event) {
	for {
		q.mu.Lock()
		events, q.events = q.events, nil
		closed := q.closed
		q.mu.Unlock()
		if len(events) > 0 || closed {
			return events
		}
		<-q.changed
	}
}

// done says that an event that was taken is dealt with.
func (q *queue) done(ev Event) {
	q.mu.Lock()
	q.resize(-len(ev.Data))
	q.mu.Unlock()
}
