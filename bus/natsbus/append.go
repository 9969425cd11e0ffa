package natsbus

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/crc32"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/queue"
)

const (
	// maxUnacked is how many entries of a log may be under way, so that what waits for a slow
	// disk is bounded. PublishAsync's own bound is of all logs of a bus together, and fails: it
	// is never reached, as there is none.
	maxUnacked = 1024
	// A batch has at most so many entries, which every server takes, and so many bytes.
	batchEntries = 512
	batchBytes   = 4 << 20
	// ackFor is how long the acknowledgement of an entry is waited for.
	ackFor = 10 * time.Second
)

// The headers of a batch that is kept as a whole or not at all.
const (
	batchID     = "Nats-Batch-Id"
	batchNumber = "Nats-Batch-Sequence"
	batchCommit = "Nats-Batch-Commit"
)

// pending is an entry that has no acknowledgement yet.
type pending struct {
	msg  *nats.Msg
	done func(uint64, error)
}

// appender gives a log's entries to its stream, in order. What comes while others are on
// their way to the disk gathers, and goes as one batch, for which the stream syncs once.
type appender struct {
	b       *Bus
	js      jetstream.JetStream
	batches bool          // the stream takes them; of the goroutine that writes
	places  chan struct{} // one for each entry under way

	mu      sync.Mutex
	waiting []pending
	writing bool // a goroutine writes what waits
}

func newAppender(b *Bus, js jetstream.JetStream, batches bool) *appender {
	return &appender{b: b, js: js, batches: batches, places: make(chan struct{}, maxUnacked)}
}

// add takes an entry, when there is a place for it.
func (a *appender) add(ctx context.Context, at, id string, data []byte, done func(uint64, error)) error {
	select {
	case a.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-a.b.done:
		return bus.ErrClosed
	}
	sum := strconv.FormatUint(uint64(crc32.Checksum(data, castagnoli)), 16)
	msg := &nats.Msg{Subject: at, Data: slices.Clone(data), Header: nats.Header{crcHeader: {sum}}}
	if id != "" {
		msg.Header[nats.MsgIdHdr] = []string{id}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, pending{msg, done})
	if !a.writing {
		a.writing = true
		go a.run()
	}
	return nil
}

// run writes while something waits. Behind the end of the bus that fails at once.
func (a *appender) run() {
	for group := a.next(); group != nil; group = a.next() {
		a.write(group)
		for range group {
			<-a.places
		}
	}
}

// next returns the entries that go together; none if nothing waits.
func (a *appender) next() []pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, _ := queue.Together(len(a.waiting), func(i int) int { return len(a.waiting[i].msg.Data) }, batchEntries, batchBytes)
	if n == 0 {
		a.writing = false
		return nil
	}
	group := slices.Clone(a.waiting[:n])
	a.waiting = slices.Delete(a.waiting, 0, n)
	return group
}

// write writes entries and tells of them in their order.
func (a *appender) write(group []pending) {
	if len(group) > 1 && a.batches && a.writeBatch(group) {
		return
	}
	acks := make([]func() (uint64, error), len(group))
	for i, p := range group {
		ack, err := a.js.PublishMsgAsync(p.msg)
		if acks[i] = func() (uint64, error) { return a.outcome(ack) }; err != nil {
			acks[i] = func() (uint64, error) { return 0, err }
		}
	}
	for i, p := range group {
		seq, err := acks[i]()
		p.done(seq, told(context.Background(), err))
	}
}

// writeBatch writes entries as one batch. It returns false if the stream has refused it, which
// is then as if it had never been: one of its ids is there already, say, or not all have room.
func (a *appender) writeBatch(group []pending) bool {
	ack, err := a.publishBatch(group)
	var last uint64
	if err == nil {
		last, err = a.outcome(ack)
	}
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) {
		a.batches = api.ErrorCode != codeNoBatches && api.ErrorCode != codeLargeBatch
		for _, p := range group {
			for _, name := range []string{batchID, batchNumber, batchCommit} {
				delete(p.msg.Header, name)
			}
		}
		return false
	}
	for i, p := range group {
		if err != nil {
			p.done(0, told(context.Background(), err))
			continue
		}
		p.done(last-uint64(len(group)-1-i), nil)
	}
	return true
}

// publishBatch publishes a batch. Its last entry is acknowledged for all.
func (a *appender) publishBatch(group []pending) (jetstream.PubAckFuture, error) {
	id := []string{rand.Text()}
	for i, p := range group {
		p.msg.Header[batchID] = id
		p.msg.Header[batchNumber] = []string{strconv.Itoa(i + 1)}
		if i == len(group)-1 {
			p.msg.Header[batchCommit] = []string{"1"}
			return a.js.PublishMsgAsync(p.msg)
		}
		if err := a.b.nc.PublishMsg(p.msg); err != nil {
			return nil, err
		}
	}
	panic("natsbus: a batch of nothing")
}

// outcome waits for an acknowledgement, while there can be one.
func (a *appender) outcome(ack jetstream.PubAckFuture) (uint64, error) {
	var look <-chan time.Time
	if a.b.o.Fault != nil {
		tick := time.NewTicker(retryAfter)
		defer tick.Stop()
		look = tick.C
	}
	for {
		select {
		case got := <-ack.Ok():
			return got.Sequence, nil
		case err := <-ack.Err():
			return 0, err
		case <-look:
			if err := a.b.fault(); err != nil {
				return 0, err
			}
		case <-a.b.done:
			return 0, bus.ErrClosed
		}
	}
}
