package session

import (
	"slices"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
)

const (
	// WriteSize is the most one write takes.
	WriteSize = 256 << 10
	// burstGap is how soon after the last one a message is part of a burst.
	burstGap = 50 * time.Microsecond
	// controlSize is how much room what the machine owes may need, more or less.
	controlSize = 64
)

// Output is what waits to be written, as one stream of bytes: the segment being
// written, then the queue, then the tail. Small messages are appended to the tail and
// leave together in one write; a large body is a segment of its own, so that it is
// not copied.
type Output struct {
	current Segment
	queue   []Segment // what goes before the tail, if bodies are among it
	queued  int       // bytes in queue
	owned   int       // memory that nobody shares, in queue
	pooled  int64     // memory that is shared, also of messages that have not come to the queue
	tail    []byte    // from bufpool, or nil
	hint    int32     // how large the tail was last time

	control Control
	writer  WriterState
	written uint64        // of counters.BytesOut, what the kernel has taken
	last    time.Duration // when the last message of a burst was sent, since config.epoch
}

// Segment is a part of the output.
type Segment struct {
	Bytes []byte          // what is left of it
	Whole []byte          // to give back to bufpool, or nil
	Done  *Waiter         // to be told when it has left, or nil
	Pool  *bufpool.Shared // of which Bytes are a part, or nil
}

// Control tells whether the machine's Output may have something to append: answers
// and confirmations, which leave before the next message.
type Control uint8

const (
	ControlNone Control = iota
	ControlPending
	ControlStopped // it is withheld for good: what has been dropped must not be confirmed
)

// WriterState tells who is about to write, or writes.
type WriterState uint8

const (
	WriterNone  WriterState = iota
	WriterComes             // a goroutine is going to flush
	WriterBusy
)

// Pending returns how many bytes the kernel has not yet taken.
func (o *Output) Pending() int { return len(o.current.Bytes) + o.queued + len(o.tail) }

// Waiting reports whether something waits for the peer, or is being written.
func (o *Output) Waiting() bool { return o.Pending() > 0 || o.writer == WriterBusy }

// Awaited reports whether somebody waits until a part of it has left.
func (o *Output) Awaited() bool {
	return o.current.Done != nil || slices.ContainsFunc(o.queue, func(s Segment) bool { return s.Done != nil })
}

// Idle reports whether nothing waits, nor is to be appended, nor is anybody writing.
func (o *Output) Idle() bool {
	return o.Pending() == 0 && o.control == ControlNone && o.writer == WriterNone
}

// Waits reports whether there is something to write, or a buffer to give back.
func (o *Output) Waits() bool {
	return o.control == ControlPending || o.tail != nil || o.Pending() > 0
}

// Simple reports whether what waits is the tail alone, and nobody is writing it.
func (o *Output) Simple() bool {
	return len(o.current.Bytes)+o.queued == 0 && o.writer != WriterBusy && o.control != ControlStopped
}

// Grow makes room for n more bytes in the tail.
func (o *Output) Grow(n int) {
	if cap(o.tail)-len(o.tail) < n {
		o.enlarge(n)
	}
}

func (o *Output) enlarge(n int) {
	switch {
	case o.tail == nil:
		o.tail = bufpool.Get(max(n, min(int(o.hint), ReadSize)))
	case len(o.tail) >= WriteSize: // a larger buffer would have to be moved, and half of it could be empty
		o.pushTail()
		o.tail = bufpool.Get(max(n, ReadSize))
	default:
		o.tail = bufpool.Grow(o.tail, n)
	}
}

// Held returns how much memory it holds that is not shared.
func (o *Output) Held() int64 { return int64(cap(o.tail) + cap(o.current.Whole) + o.owned) }

// Join notes that p is held, with others.
func (o *Output) Join(p *bufpool.Shared) {
	if p != nil {
		p.Take()
		o.pooled += p.Size()
	}
}

// Part notes that p is not held any more.
func (o *Output) Part(p *bufpool.Shared) {
	if p != nil {
		p.Drop()
		o.pooled -= p.Size()
	}
}

// Appended replaces the tail by what a machine has made of it, which it may have
// moved.
func (o *Output) Appended(tail []byte) { o.tail = tail }

// ControlMayPend notes that the machine's Output may have something to append.
func (o *Output) ControlMayPend() {
	if o.control == ControlNone {
		o.control = ControlPending
	}
}

// NoControl notes that the machine has nothing to append.
func (o *Output) NoControl() { o.control = ControlNone }

// StopControl withholds what the machine may have to append, from now on.
func (o *Output) StopControl() { o.control = ControlStopped }

// AppendControl appends what the machine owes, and returns that.
func (o *Output) AppendControl(m interface{ Output([]byte) []byte }) []byte {
	o.control = ControlNone
	o.Grow(controlSize)
	before := len(o.tail)
	o.tail = m.Output(o.tail)
	return o.tail[before:]
}

// Discard drops what the machine owes, which can't leave any more.
func (o *Output) Discard(m interface{ Output([]byte) []byte }) {
	if o.control == ControlPending {
		o.AppendControl(m)
	}
	o.Release()
}

// Push puts s behind all.
func (o *Output) Push(s Segment) {
	o.pushTail()
	o.enqueue(s)
	o.Join(s.Pool)
}

// pushTail makes a segment of the tail.
func (o *Output) pushTail() {
	if len(o.tail) > 0 {
		o.enqueue(Segment{Bytes: o.tail, Whole: o.tail})
		o.tail = nil
	}
}

func (o *Output) enqueue(s Segment) {
	o.queue = append(o.queue, s)
	o.queued += len(s.Bytes)
	o.owned += cap(s.Whole)
}

// Next makes current the next segment. It returns false when there is none.
func (o *Output) Next() bool {
	for len(o.current.Bytes) == 0 {
		o.Finish(nil)
		switch {
		case len(o.queue) > 0:
			o.current = o.queue[0]
			o.queue[0] = Segment{}
			o.queue = o.queue[1:]
			o.queued -= len(o.current.Bytes)
			o.owned -= cap(o.current.Whole)
		case len(o.tail) > 0:
			o.current = Segment{Bytes: o.tail, Whole: o.tail}
			o.hint = int32(min(len(o.tail), ReadSize))
			o.tail = nil
		default:
			return false
		}
	}
	return true
}

// Wrote takes n bytes off the current segment.
func (o *Output) Wrote(n int) { o.current.Bytes = o.current.Bytes[n:] }

// Rested begins anew, when the kernel has taken gone bytes. The tail was at most hint
// bytes large last time.
func (o *Output) Rested(gone uint64, hint int32) { o.written, o.hint = gone, hint }

// AddWritten counts n bytes that the kernel has taken.
func (o *Output) AddWritten(n int) { o.written += uint64(n) }

// Finish lets go of the current segment.
func (o *Output) Finish(err error) {
	done := o.current
	o.Part(done.Pool)
	o.current = Segment{}
	done.end(err)
}

// end gives a segment's memory back and tells who waits for it.
func (s Segment) end(err error) {
	if s.Whole != nil {
		bufpool.Put(s.Whole[:0])
	}
	if s.Done != nil {
		s.Done.Signal(err)
	}
}

// Release gives the buffers back when all has left.
func (o *Output) Release() {
	bufpool.Put(o.tail)
	o.tail, o.queue = nil, nil
}

// Drop gives up what has not been written. A segment that is being written stays
// with its writer.
func (o *Output) Drop(err error) {
	if o.writer != WriterBusy {
		o.Finish(err)
	}
	for _, s := range o.queue {
		o.Part(s.Pool)
		if s.Done != nil {
			s.Done.Signal(err)
		}
	}
	o.queue, o.queued, o.owned, o.tail = nil, 0, 0, nil
}

// Begin notes that the caller writes from now on.
func (o *Output) Begin() { o.writer = WriterBusy }

// End notes that the caller, who has written, does not any more.
func (o *Output) End() { o.writer = WriterNone }

// Expect reports whether the caller must see to it that a goroutine flushes, unless
// somebody is about to, or writes.
func (o *Output) Expect() bool {
	if o.writer != WriterNone {
		return false
	}
	o.writer = WriterComes
	return true
}

// Comes notes that the goroutine of expect has come.
func (o *Output) Comes() {
	if o.writer == WriterComes {
		o.writer = WriterNone
	}
}

// Burst reports whether the last message was sent so recently that more may be
// coming: then one write for several of them is better than one for each.
func (o *Output) Burst(now time.Duration) bool {
	if o.writer != WriterNone {
		return true
	}
	last := o.last
	o.last = now
	return now-last < burstGap
}

// Flushed notes when the last of a burst has left.
func (o *Output) Flushed(now time.Duration) { o.last = now }

// Current returns what is being written, or is next.
func (o *Output) Current() *Segment { return &o.current }

// Pooled is memory that is shared, also of messages that have not come to the queue.
func (o *Output) Pooled() int64 { return o.pooled }

// Tail is from bufpool, or nil.
func (o *Output) Tail() []byte { return o.tail }

// Hint is how large the tail was last time.
func (o *Output) Hint() int32 { return o.hint }

// Control says whether the machine owes something.
func (o *Output) Control() Control { return o.control }

// Writer says who writes.
func (o *Output) Writer() WriterState { return o.writer }

// Written is of counters.BytesOut, what the kernel has taken.
func (o *Output) Written() uint64 { return o.written }
