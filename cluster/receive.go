package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus/queue"
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
	queue *queue.Queue[Delivery]
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	rec := &Receiver{room: r, id: o.ID, queue: queue.New(queue.Options[Delivery]{
		Messages: o.Messages, Bytes: o.Bytes, Latest: o.Latest || r.o.Latest,
		Size:   func(d Delivery) int { return d.Message.Len() },
		Count:  count,
		Serve:  fn,
		Missed: func(n uint64) { fn(Delivery{Err: &MissedError{Count: n}, At: time.Now()}) },
	})}
	r.receivers = append(r.receivers, rec)
	return rec, nil
}

// count is how many messages are missing where d is dropped.
func count(d Delivery) uint64 {
	if m, ok := d.Err.(*MissedError); ok {
		return m.Count
	}
	return 1
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
		rec.queue.Close()
	})
}
