package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/queue"
)

const (
	// What waits for the log is bounded; what is beyond is not kept, and the log is told.
	keepMessages = 4096
	keepBytes    = 64 << 20
	// What has gathered goes together: one entry of the log, which is on the disk at once.
	groupMessages = 256
	groupBytes    = 512 << 10
	// keepAgain is when something is tried again that the log did not take.
	keepAgain = 250 * time.Millisecond
	// keepTry bounds one try.
	keepTry = 15 * time.Second
	// keepFlush is how long a room that is left waits for the log.
	keepFlush = 2 * time.Second

	// A log that nobody takes from is bounded.
	keepFor  = 7 * 24 * time.Hour
	keepMost = 1 << 30
)

// keeper gives what is said in a room on this node to the room's log: in order, each as
// often as it takes until it is there. The log knows by its id what it has already.
type keeper struct {
	room *Room
	life context.Context // ends with it
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	more    chan struct{} // something waits, or it is to end
	waiting []said
	held    int   // bytes of those
	busy    int   // so many are on their way
	err     error // why the last try has failed
	ending  bool
	idle    chan struct{} // closed when nothing waits any more and it is to end

	log        bus.Log // of the goroutine that appends
	forwarding atomic.Bool
}

// said is a message's envelope, or messages that are missing.
type said struct {
	seq  uint64
	data []byte
	lost uint64
	at   time.Time
}

func startKeeper(r *Room) *keeper {
	ctx, stop := context.WithCancel(context.Background())
	k := &keeper{room: r, life: ctx, stop: stop, more: make(chan struct{}, 1), idle: make(chan struct{})}
	k.done.Go(k.run)
	return k
}

// put adds a message. data is not kept; nil says that it has no form.
func (k *keeper) put(seq uint64, data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ending {
		return
	}
	if data == nil || len(k.waiting) >= keepMessages || len(k.waiting) > 0 && k.held+len(data) > keepBytes {
		k.miss(seq)
	} else {
		k.waiting = append(k.waiting, said{seq: seq, data: append([]byte(nil), data...)})
		k.held += len(data)
	}
	k.wake()
}

// miss notes that a message is not kept, behind those that wait.
func (k *keeper) miss(seq uint64) {
	if n := len(k.waiting); n > 0 && k.waiting[n-1].lost > 0 {
		k.waiting[n-1].lost++
		k.waiting[n-1].seq = seq
		return
	}
	k.waiting = append(k.waiting, said{seq: seq, lost: 1, at: time.Now()})
}

func (k *keeper) wake() {
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// next waits for something to append; none is the end.
func (k *keeper) next() []said {
	for {
		k.mu.Lock()
		if len(k.waiting) > 0 {
			defer k.mu.Unlock()
			return k.gather()
		}
		if k.busy = 0; k.ending {
			k.mu.Unlock()
			close(k.idle)
			return nil
		}
		k.mu.Unlock()
		select {
		case <-k.more:
		case <-k.life.Done():
			return nil
		}
	}
}

// gather takes what goes together.
func (k *keeper) gather() []said {
	n, size := queue.Together(len(k.waiting), func(i int) int { return len(k.waiting[i].data) }, groupMessages, groupBytes)
	group := slices.Clone(k.waiting[:n])
	k.waiting = slices.Delete(k.waiting, 0, n)
	k.held -= size
	k.busy = n
	return group
}

// run appends what is said until the end.
func (k *keeper) run() {
	told := limit{every: 10 * time.Second}
	for {
		group := k.next()
		if group == nil {
			return
		}
		for {
			err := k.append(group)
			k.note(group, err)
			if err == nil {
				break
			}
			if errors.Is(err, bus.ErrTooLarge) && len(group) == 1 && group[0].lost == 0 {
				group[0] = said{seq: group[0].seq, lost: 1, at: time.Now()}
				continue
			}
			if !errors.Is(err, bus.ErrNoBus) && told.ok() {
				k.room.node.log.Error("what is said in the room is not kept now", "room", k.room.name, "err", err)
			}
			if !sleep(k.life, keepAgain) {
				return
			}
		}
	}
}

// note counts, and remembers why something was not kept.
func (k *keeper) note(group []said, err error) {
	k.mu.Lock()
	k.err = err
	k.mu.Unlock()
	if err != nil {
		return
	}
	k.room.mu.Lock()
	defer k.room.mu.Unlock()
	for _, s := range group {
		if s.lost > 0 {
			k.room.stats.Unkept += s.lost
		} else {
			k.room.stats.Kept++
		}
	}
}

func (k *keeper) problem() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// append gives the log one entry and waits until it is safe.
func (k *keeper) append(group []said) error {
	ctx, cancel := context.WithTimeout(k.life, keepTry)
	defer cancel()
	if k.log == nil {
		if err := k.open(ctx); err != nil {
			return err
		}
	}
	n := k.room.node
	id := fmt.Sprintf("%016x-%d-%d", n.incarnation, group[0].seq, group[len(group)-1].seq)
	if group[0].lost > 0 {
		id += "-lost" // what was too large had the same number
	}
	data := []byte{entryForm}
	for _, s := range group {
		if s.lost > 0 {
			s.data = appendGap(nil, n, s)
		}
		data = append(binary.BigEndian.AppendUint32(data, uint32(len(s.data))), s.data...)
	}
	err := appendAndWait(ctx, k.log, "cap."+bus.Token(n.o.Name), id, data)
	if errors.Is(err, bus.ErrNoBus) || errors.Is(err, bus.ErrNotFound) {
		k.log = nil // a hub that keeps nothing beyond its end has none any more
	}
	return err
}

// open opens the log. Where this machine keeps things itself they go there first, and from
// there to the others when these can be reached.
func (k *keeper) open(ctx context.Context) (err error) {
	k.log, err = k.room.openLog(ctx, true)
	if err == nil {
		if local := k.log; !k.forwarding.Swap(true) {
			k.done.Go(func() {
				defer k.forwarding.Store(false)
				k.forward(local)
			})
		}
		return nil
	}
	if errors.Is(err, bus.ErrNotFound) {
		k.log, err = k.room.openLog(ctx, false)
	}
	return err
}

// openLog opens the room's log, that of this machine or that of all.
func (r *Room) openLog(ctx context.Context, here bool) (bus.Log, error) {
	return r.node.bus.Log(ctx, "room "+r.node.o.Namespace+" "+r.name, bus.LogOptions{Queue: true, MaxAge: keepFor, MaxBytes: keepMost, Here: here})
}

// appendAndWait appends an entry and waits until it is safe.
func appendAndWait(ctx context.Context, l bus.Log, subject, id string, data []byte) error {
	done := make(chan error, 1)
	if err := l.Append(ctx, subject, id, data, func(_ uint64, err error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close waits for what was said, for a while, and ends.
func (k *keeper) close() {
	k.mu.Lock()
	k.ending = true
	k.mu.Unlock()
	k.wake()
	select {
	case <-k.idle:
	case <-time.After(keepFlush):
	}
	k.stop()
	k.done.Wait()
	k.mu.Lock()
	left := len(k.waiting) + k.busy
	k.mu.Unlock()
	if left > 0 {
		k.room.node.log.Error("what was said last in the room is not kept", "room", k.room.name, "messages", left, "err", k.problem())
	}
}

const (
	// entryForm is the first byte of an entry. Behind it come messages, and gaps, each behind its
	// length.
	entryForm = 1
	// gapForm is the first byte of what says how many messages of a node are missing.
	gapForm = 2
)

func appendGap(dst []byte, n *Node, s said) []byte {
	dst = append(dst, gapForm)
	for _, v := range []uint64{n.incarnation, s.seq, s.lost, uint64(s.at.UnixNano())} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	return append(dst, n.o.Name...)
}

// parseEntry reads an entry of a room's log.
func parseEntry(p []byte) (all []Kept, err error) {
	if len(p) == 0 || p[0] != entryForm {
		return nil, errForm
	}
	for p = p[1:]; len(p) > 0; {
		if len(p) < 4 || len(p)-4 < int(binary.BigEndian.Uint32(p)) {
			return all, errForm
		}
		size := int(binary.BigEndian.Uint32(p))
		k, err := parseKept(p[4 : 4+size])
		if err != nil {
			return all, err
		}
		all = append(all, k)
		p = p[4+size:]
	}
	return all, nil
}

// parseKept reads a message, or a gap.
func parseKept(p []byte) (k Kept, err error) {
	const head = 1 + 4*8
	if len(p) >= head && p[0] == gapForm {
		field := func(i int) uint64 { return binary.BigEndian.Uint64(p[1+8*i:]) }
		node := string(p[head:])
		k.Delivery = Delivery{Err: &MissedError{Node: node, Count: field(2)}, Node: node, At: time.Unix(0, int64(field(3)))}
		k.Process, k.Seq = fmt.Sprintf("%016x", field(0)), field(1)
		return k, nil
	}
	e, err := parse(p)
	k.Delivery = Delivery{Message: e.m, At: e.at, Node: e.node, Conn: e.conn, Proto: e.proto}
	k.Process, k.Seq = fmt.Sprintf("%016x", e.incarnation), e.seq
	return k, err
}
