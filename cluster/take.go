package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/bus"
)

// forwarder and taker are the consumers of a room's log: that of one machine, and that of all.
const (
	forwarder = "forward"
	taker     = "store"
)

// forward gives what this machine has kept to the log of all, until the keeper ends.
func (k *keeper) forward(local bus.Log) {
	ctx := k.life
	var all bus.Log
	err := local.Consume(ctx, forwarder, func(entries []bus.LogEntry) int {
		for i, e := range entries {
			try, end := context.WithTimeout(ctx, keepTry)
			err := error(nil)
			if all == nil {
				all, err = k.room.openLog(try, false)
			}
			if err == nil {
				err = appendAndWait(try, all, e.Subject, e.ID, e.Data)
			}
			end()
			if err != nil {
				all = nil
				k.room.node.log.Debug("what is kept here waits for the others", "room", k.room.name, "err", err)
				return i
			}
		}
		return len(entries)
	})
	if ctx.Err() == nil {
		k.room.node.log.Error("what is kept here does not get to the others", "room", k.room.name, "err", err)
	}
}

// Kept is something that was said in a room and kept, or a gap.
type Kept struct {
	Delivery
	// Process is that of Node, by its incarnation; "" for an entry that is not understood. Its
	// entries come with a Seq that grows, so one that is no larger is there already.
	Process string
	Seq     uint64
	// Again: an earlier Take, on this node or another one, may have been shown it and have kept
	// it, although the log does not know it: that one died, or kept a part of what was said together.
	Again bool
}

// Take calls fn with what is said in the room, in one order for all its nodes, from where the
// last Take on any node has ended; what was said meanwhile comes first. It has the room keep it.
// The first kept of them leave the log, the others come again, within a second: so fn returns
// when they are safe. What was said together leaves the log together. What may have been kept by
// an earlier Take, on another node too, comes once more with Again set: Process and Seq know it.
//
// One node at a time takes; the others wait until it ends, for 20 s if it dies. When ctx ends
// and nobody else takes, the room keeps nothing more.
func (r *Room) Take(ctx context.Context, fn func([]Kept) (kept int)) error {
	r.Keep()
	defer r.unwant()
	for ctx.Err() == nil {
		if err := r.takeOnce(ctx, fn); err != nil && ctx.Err() == nil {
			r.node.log.Debug("the room's log can't be taken from now", "room", r.name, "err", err)
			sleep(ctx, keepAgain)
		}
		r.mu.Lock()
		closed := r.closed
		r.mu.Unlock()
		if closed {
			return ErrClosed
		}
	}
	return ctx.Err()
}

func (r *Room) takerKey() string { return "take." + bus.Token(r.name) }

// Taker returns the node that takes from the room's log, or "".
func (r *Room) Taker(ctx context.Context) (node string, err error) {
	bucket, err := r.node.owners(ctx)
	if err != nil {
		return "", err
	}
	node, _, err = bus.Holder(ctx, bucket, r.takerKey())
	if errors.Is(err, bus.ErrNotFound) {
		return "", nil
	}
	return node, err
}

// takeOnce waits until nobody else takes, and takes until ctx ends or the lease.
func (r *Room) takeOnce(ctx context.Context, fn func([]Kept) int) error {
	bucket, err := r.node.owners(ctx)
	if err != nil {
		return err
	}
	lease, err := bus.Acquire(ctx, bucket, r.takerKey(), r.node.o.Name)
	if err != nil {
		return err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		lease.Release(release)
	}()
	held, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-lease.Lost():
			cancel()
		case <-held.Done():
		}
	}()
	open, end := context.WithTimeout(held, keepTry)
	defer end()
	l, err := r.openLog(open, false)
	if err != nil {
		return err
	}
	r.node.log.Info("this node takes what the room has kept", "room", r.name)
	t := taking{fn: fn, seen: make(map[string]uint64)}
	return l.Consume(held, taker, func(entries []bus.LogEntry) int {
		if !lease.Valid() || held.Err() != nil { // this process was stopped for a while
			return 0
		}
		return t.take(entries)
	})
}

// taking shows entries to who takes, message by message.
type taking struct {
	fn   func([]Kept) int
	seen map[string]uint64 // the last number of each process that was kept
}

// take returns how many entries were kept whole.
func (t *taking) take(entries []bus.LogEntry) (kept int) {
	var all []Kept
	var ends []int // of each entry, in all
	for _, e := range entries {
		inside, err := parseEntry(e.Data)
		if err != nil {
			inside = append(inside, Kept{Delivery: Delivery{Err: fmt.Errorf("entry %d of the room's log: %w", e.Seq, err), At: e.Time}})
		}
		for _, k := range inside {
			k.Again = e.Again
			if k.Process == "" || k.Seq > t.seen[k.Process] {
				all = append(all, k)
			}
		}
		ends = append(ends, len(all))
	}
	n := 0
	if len(all) > 0 {
		n = t.fn(all)
	}
	for _, k := range all[:n] {
		t.seen[k.Process] = k.Seq
	}
	for kept < len(ends) && ends[kept] <= n {
		kept++
	}
	return kept
}
