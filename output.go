package parley

import (
	"time"

	"github.com/parley-net/parley/internal/bufpool"
)

// output is what waits to be written, as one stream of bytes: the segment being
// written, then the queue, then the tail. Small messages are appended to the tail and
// leave together in one write; a large body is a segment of its own, so that it is
// not copied.
type output struct {
	current segment
	queue   []segment // what goes before the tail, if bodies are among it
	queued  int       // bytes in queue
	owned   int       // memory that nobody shares, in queue
	pooled  int64     // memory that is shared, also of messages that have not come to the queue
	tail    []byte    // from bufpool, or nil
	hint    int32     // how large the tail was last time

	control control
	writer  writerState
	gone    uint64        // of counters.BytesOut, what the kernel has taken
	last    time.Duration // when the last message of a burst was sent, since config.epoch
}

// segment is a part of the output.
type segment struct {
	b     []byte  // what is left of it
	whole []byte  // to give back to bufpool, or nil
	w     *waiter // to be told when it has left, or nil
	pool  *pool   // of which b is a part, or nil
}

// control tells whether the machine's Output may have something to append: answers
// and confirmations, which leave before the next message.
type control uint8

const (
	controlNone control = iota
	controlOwed
	controlMuted // it is withheld for good: what has been dropped must not be confirmed
)

// writerState tells who is about to write, or writes.
type writerState uint8

const (
	writerNone  writerState = iota
	writerComes             // a goroutine is going to flush
	writerBusy
)

// pending returns how many bytes the kernel has not yet taken.
func (o *output) pending() int { return len(o.current.b) + o.queued + len(o.tail) }

// waiting reports whether something waits for the peer, or is being written.
func (o *output) waiting() bool { return o.pending() > 0 || o.writer == writerBusy }

// idle reports whether nothing waits, nor is to be appended, nor is anybody writing.
func (o *output) idle() bool {
	return o.pending() == 0 && o.control == controlNone && o.writer == writerNone
}

// waits reports whether there is something to write, or a buffer to give back.
func (o *output) waits() bool {
	return o.control == controlOwed || o.tail != nil || o.pending() > 0
}

// simple reports whether what waits is the tail alone, and nobody is writing it.
func (o *output) simple() bool {
	return len(o.current.b)+o.queued == 0 && o.writer != writerBusy && o.control != controlMuted
}

// grow makes room for n more bytes in the tail.
func (o *output) grow(n int) {
	if cap(o.tail)-len(o.tail) < n {
		o.enlarge(n)
	}
}

func (o *output) enlarge(n int) {
	switch {
	case o.tail == nil:
		o.tail = bufpool.Get(max(n, min(int(o.hint), readSize)))
	case len(o.tail) >= writeSize: // a larger buffer would have to be moved, and half of it could be empty
		o.pushTail()
		o.tail = bufpool.Get(max(n, readSize))
	default:
		o.tail = bufpool.Grow(o.tail, n)
	}
}

// held returns how much memory it holds that is not shared.
func (o *output) held() int64 { return int64(cap(o.tail) + cap(o.current.whole) + o.owned) }

// join notes that p is held, with others.
func (o *output) join(p *pool) {
	if p != nil {
		p.take()
		o.pooled += int64(cap(p.b))
	}
}

// part notes that p is not held any more.
func (o *output) part(p *pool) {
	if p != nil {
		p.drop()
		o.pooled -= int64(cap(p.b))
	}
}

// appended replaces the tail by what a machine has made of it, which it may have
// moved.
func (o *output) appended(tail []byte) { o.tail = tail }

// owe notes that the machine's Output may have something to append.
func (o *output) owe() {
	if o.control == controlNone {
		o.control = controlOwed
	}
}

// mute withholds what the machine may have to append, from now on.
func (o *output) mute() { o.control = controlMuted }

// appendControl appends what the machine owes, and returns that.
func (o *output) appendControl(m interface{ Output([]byte) []byte }) []byte {
	o.control = controlNone
	o.grow(64)
	before := len(o.tail)
	o.tail = m.Output(o.tail)
	return o.tail[before:]
}

// push puts s behind all.
func (o *output) push(s segment) {
	o.pushTail()
	o.enqueue(s)
	o.join(s.pool)
}

// pushTail makes a segment of the tail.
func (o *output) pushTail() {
	if len(o.tail) > 0 {
		o.enqueue(segment{b: o.tail, whole: o.tail})
		o.tail = nil
	}
}

func (o *output) enqueue(s segment) {
	o.queue = append(o.queue, s)
	o.queued += len(s.b)
	o.owned += cap(s.whole)
}

// next makes current the next segment. It returns false when there is none.
func (o *output) next() bool {
	for len(o.current.b) == 0 {
		o.finish(nil)
		switch {
		case len(o.queue) > 0:
			o.current = o.queue[0]
			o.queue[0] = segment{}
			o.queue = o.queue[1:]
			o.queued -= len(o.current.b)
			o.owned -= cap(o.current.whole)
		case len(o.tail) > 0:
			o.current = segment{b: o.tail, whole: o.tail}
			o.hint = int32(min(len(o.tail), readSize))
			o.tail = nil
		default:
			return false
		}
	}
	return true
}

// wrote takes n bytes off the current segment.
func (o *output) wrote(n int) { o.current.b = o.current.b[n:] }

// left counts n bytes that the kernel has taken.
func (o *output) left(n int) { o.gone += uint64(n) }

// finish lets go of the current segment.
func (o *output) finish(err error) {
	whole, w := o.current.whole, o.current.w
	o.part(o.current.pool)
	o.current = segment{}
	if whole != nil {
		bufpool.Put(whole[:0])
	}
	if w != nil {
		w.signal(err)
	}
}

// release gives the buffers back when all has left.
func (o *output) release() {
	bufpool.Put(o.tail)
	o.tail, o.queue = nil, nil
}

// drop gives up what has not been written. A segment that is being written stays
// with its writer.
func (o *output) drop(err error) {
	if o.writer != writerBusy {
		o.finish(err)
	}
	for _, s := range o.queue {
		o.part(s.pool)
		if s.w != nil {
			s.w.signal(err)
		}
	}
	o.queue, o.queued, o.owned, o.tail = nil, 0, 0, nil
}

// begin notes that the caller writes from now on.
func (o *output) begin() { o.writer = writerBusy }

// end notes that the caller, who has written, does not any more.
func (o *output) end() { o.writer = writerNone }

// expect reports whether the caller must see to it that a goroutine flushes, unless
// somebody is about to, or writes.
func (o *output) expect() bool {
	if o.writer != writerNone {
		return false
	}
	o.writer = writerComes
	return true
}

// comes notes that the goroutine of expect has come.
func (o *output) comes() {
	if o.writer == writerComes {
		o.writer = writerNone
	}
}

// burst reports whether the last message was sent so recently that more may be
// coming: then one write for several of them is better than one for each.
func (o *output) burst(now time.Duration) bool {
	if o.writer != writerNone {
		return true
	}
	last := o.last
	o.last = now
	return now-last < burstGap
}

// flushed notes when the last of a burst has left.
func (o *output) flushed(now time.Duration) { o.last = now }
