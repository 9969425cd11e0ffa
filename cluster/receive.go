package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/parley-net/parley"
)

const (
	receiverMessages = 1024
	receiverBytes    = 16 << 20
)

// ReceiveOptions bound what waits for a receiver. Zero means the default.
type ReceiveOptions struct {
	Messages int    // how many; 1,024
	Bytes    int64  // their size together; 16 MiB
	ID       string // its name on this node, as a Member's
	Latest   bool   // the oldest are dropped, not the newest; always so in a Latest room
}

// Receiver is somebody who hears what is said in a room, and may speak. Its methods may
// be called concurrently.
type Receiver struct {
	room  *Room
	id    string
	queue *deliveries
	once  sync.Once
}

// Receive calls fn for each message that others in the room say, one at a time, until
// Close. What fn is too slow for is dropped, and told as a *MissedError.
func (r *Room) Receive(o ReceiveOptions, fn func(Delivery)) (*Receiver, error) {
	if o.Messages <= 0 {
		o.Messages = receiverMessages
	}
	if o.Bytes <= 0 {
		o.Bytes = receiverBytes
	}
	rec := &Receiver{room: r, id: o.ID, queue: newDeliveries(o.Messages, o.Bytes, o.Latest || r.o.Latest)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	r.receivers = append(r.receivers, rec)
	go rec.queue.serve(fn)
	return rec, nil
}

// Publish is the room's Publish for what this receiver says: it does not hear it itself.
func (rec *Receiver) Publish(ctx context.Context, m parley.Message) error {
	return rec.room.publish(ctx, m, sender{id: rec.id, receiver: rec})
}

// Close ends it. The function may still be running when Close returns; it is not called
// again.
func (rec *Receiver) Close() {
	rec.once.Do(func() {
		r := rec.room
		r.mu.Lock()
		for i, other := range r.receivers {
			if other == rec {
				r.receivers = append(r.receivers[:i:i], r.receivers[i+1:]...)
				break
			}
		}
		r.mu.Unlock()
		rec.queue.close()
	})
}

// deliveries is what waits for a receiver.
type deliveries struct {
	messages int
	bytes    int64
	latest   bool

	mu      sync.Mutex
	more    sync.Cond
	waiting []Delivery
	held    int64
	missed  uint64 // to be told before the next one
	closed  bool
}

func newDeliveries(messages int, bytes int64, latest bool) *deliveries {
	q := &deliveries{messages: messages, bytes: bytes, latest: latest}
	q.more.L = &q.mu
	return q
}

// put adds d, or drops it or others.
func (q *deliveries) put(d Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	size := int64(d.Message.Len())
	for len(q.waiting) > 0 && (len(q.waiting) >= q.messages || q.held+size > q.bytes) {
		q.missed++
		if !q.latest {
			return
		}
		q.shift()
	}
	q.waiting = append(q.waiting, d)
	q.held += size
	q.more.Signal()
}

func (q *deliveries) shift() Delivery {
	d := q.waiting[0]
	q.waiting[0] = Delivery{}
	q.waiting = q.waiting[1:]
	q.held -= int64(d.Message.Len())
	return d
}

// next waits for a delivery, or for the news that some are missing.
func (q *deliveries) next() (d Delivery, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.waiting) == 0 && q.missed == 0 {
		q.more.Wait()
	}
	// With the newest dropped, what waits is older than what is missing.
	switch {
	case q.closed:
		return Delivery{}, false
	case q.missed > 0 && (q.latest || len(q.waiting) == 0):
		d = Delivery{Err: &MissedError{Count: q.missed}, At: time.Now()}
		q.missed = 0
		return d, true
	}
	return q.shift(), true
}

func (q *deliveries) serve(fn func(Delivery)) {
	for {
		d, ok := q.next()
		if !ok {
			return
		}
		fn(d)
	}
}

func (q *deliveries) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.more.Broadcast()
}
