package faultproxy

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// link is one proxied connection.
type link struct {
	proxy  *Proxy
	faults Faults
	ends   [2]*net.TCPConn // where each direction leads to
	once   sync.Once
	done   chan struct{} // closed by reset
}

// reset resets both ends.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.done)
		for _, c := range l.ends {
			abort(c)
		}
	})
}

// piece is what one read has brought, or how the stream ended.
type piece struct {
	b   []byte
	at  time.Time // when it may go on
	err error     // io.EOF, or why the connection is gone
}

// forward moves the bytes of one direction: a goroutine reads and notes when
// each piece may go on, so that what is under way takes its time at once.
func (l *link) forward(d Direction, rng *rand.Rand) {
	pieces := make(chan piece, 64)
	go l.read(d, rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())), pieces)
	forwarded, finished := int64(0), false
	for p := range pieces { // until its end, or read could not go on
		l.sleep(time.Until(p.at))
		l.proxy.wait(d, l.done)
		if p.err != nil {
			l.end(d, p.err)
		}
		for len(p.b) > 0 && !finished {
			n, last := l.cut(d, rng, forwarded, p.b)
			if _, err := l.ends[d].Write(p.b[:n]); err != nil {
				l.reset() // the receiver has gone
				break
			}
			forwarded += int64(n)
			p.b = p.b[n:]
			if l.faults.Bandwidth > 0 {
				l.sleep(time.Duration(n) * time.Second / time.Duration(l.faults.Bandwidth))
			}
			if last {
				l.last(d, forwarded)
				finished = true
			}
		}
	}
}

// cut returns how many bytes of b to write next, and whether they are the last
// of this direction.
func (l *link) cut(d Direction, rng *rand.Rand, forwarded int64, b []byte) (n int, last bool) {
	f := &l.faults
	n = len(b)
	if f.Slice > 0 {
		n = min(n, 1+rng.IntN(f.Slice))
	}
	for _, limit := range []int64{f.ResetAfter[d], f.FinAfter[d]} {
		if limit > 0 && forwarded+int64(n) >= limit {
			n, last = int(max(limit-forwarded, 0)), true
		}
	}
	return n, last
}

// last does what happens when a direction has forwarded what it may.
func (l *link) last(d Direction, forwarded int64) {
	if limit := l.faults.ResetAfter[d]; limit > 0 && forwarded >= limit {
		l.reset()
		return
	}
	l.ends[d].CloseWrite()
}

// read reads one direction until its end.
func (l *link) read(d Direction, rng *rand.Rand, pieces chan<- piece) {
	defer close(pieces)
	from := l.ends[1-d]
	var last time.Time
	for {
		b := make([]byte, 16<<10)
		n, err := from.Read(b)
		at := time.Now().Add(l.delay(rng))
		if at.Before(last) {
			at = last
		}
		last = at
		if n > 0 {
			pieces <- piece{b: b[:n], at: at}
		}
		if err != nil {
			pieces <- piece{err: err, at: at}
			return
		}
	}
}

// delay returns how long the next piece takes.
func (l *link) delay(rng *rand.Rand) time.Duration {
	f := &l.faults
	d := f.Delay
	if f.Jitter > 0 {
		d += time.Duration(rng.Int64N(int64(f.Jitter)))
	}
	if f.Stall > 0 && rng.Float64() < f.StallChance {
		d += f.Stall
	}
	return d
}

// end passes on how the stream of one direction has ended.
func (l *link) end(d Direction, err error) {
	if err == io.EOF {
		l.ends[d].CloseWrite()
		return
	}
	l.reset() // so has the sender, or we ourselves
}

// sleep waits for d, or until the link is reset.
func (l *link) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.done:
	}
}
