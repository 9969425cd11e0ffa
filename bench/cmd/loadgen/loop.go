package main

import (
	"bytes"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/parley-net/parley/bench/internal/result"
)

// batch is a run of messages sent at one time, so far unanswered.
type batch struct {
	at int64 // ns since the loop began
	n  int
}

// conn is one connection's place in the two streams.
type conn struct {
	fd      int
	first   int // bytes of the first messages that are sent
	opening int // bytes of the first messages in all
	sent    int // bytes sent of the later ones, modulo their period
	want    int // bytes of whole later frames that are due to be written
	got     int // bytes received, modulo the response period
	partial int // bytes of the response frame being received
	flight  []batch
	head    int
	out     bool // EPOLLOUT is asked for
	reads   int
	other   bool // what is being received is framing.other
}

// loop is all connections, on one thread.
type loop struct {
	c          config
	p          patterns
	conns      []conn
	ep         int // -1: not open
	buf        []byte
	start      time.Time
	hist       *hdrhistogram.Histogram
	meter      result.Meter
	measuring  bool
	msgs       int64
	stop       int64 // ns since start
	from       int64
	err        error
	turn       int
	scheduled  int64
	fullChecks bool
}

func (l *loop) open() error {
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	l.ep = ep
	for i := range l.c.conns {
		fd, err := dial(l.c.addr, l.c.f)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		l.conns = append(l.conns, conn{fd: fd})
		if err := watch(ep, fd, i); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) close() {
	syscall.Close(l.ep)
	for i := range l.conns {
		syscall.Close(l.conns[i].fd)
	}
}

func (l *loop) now() int64 { return int64(time.Since(l.start)) }

func (l *loop) fail(i int, format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("connection %d: %w", i, fmt.Errorf(format, args...))
	}
}

func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	evs := make([]syscall.EpollEvent, 1024)
	if l.c.rate == 0 {
		for i := range l.conns {
			k := &l.conns[i]
			k.opening = l.c.depth * l.p.first.frame
			k.sent = l.c.depth * l.p.next.frame % l.p.next.period
			k.flight = append(k.flight, batch{l.now(), l.c.depth})
			l.flush(i)
		}
	}
	for l.err == nil {
		now := l.now()
		if !l.measuring && now >= l.from {
			l.measuring = true
			l.meter, l.err = result.Start(l.c.pid)
		}
		if now >= l.stop {
			return
		}
		wait := 50
		if l.c.rate > 0 {
			l.pace(now)
			wait = 0
		}
		n := epollWait(l.ep, evs, wait)
		for _, ev := range evs[:n] {
			i := int(ev.Fd)
			if ev.Events&syscall.EPOLLOUT != 0 {
				l.flush(i)
			}
			if ev.Events&^syscall.EPOLLOUT != 0 {
				l.receive(i)
			}
		}
	}
}

// pace sends what the fixed rate makes due, one message a connection in turn,
// stamped with the time at which it was due.
func (l *loop) pace(now int64) {
	for l.scheduled <= now {
		l.enqueue(l.turn, 1, l.scheduled)
		l.turn = (l.turn + 1) % len(l.conns)
		l.scheduled += 1e9 / int64(l.c.rate)
	}
}

func (l *loop) enqueue(i, n int, at int64) {
	k := &l.conns[i]
	if k.head == len(k.flight) {
		k.flight, k.head = k.flight[:0], 0
	} else if k.head > 256 {
		k.flight = k.flight[:copy(k.flight, k.flight[k.head:])]
		k.head = 0
	}
	k.flight = append(k.flight, batch{at, n})
	k.want += n * l.p.next.frame
	l.flush(i)
}

func (l *loop) flush(i int) {
	k := &l.conns[i]
	for k.first < k.opening || k.want > 0 {
		var p []byte
		if k.first < k.opening {
			p = l.p.first.ring[k.first:k.opening]
		} else {
			p = l.p.next.ring[k.sent : k.sent+min(k.want, 2*l.p.next.period)]
		}
		n, e := write(k.fd, p)
		if e == syscall.EAGAIN {
			break
		}
		if e != 0 {
			l.fail(i, "write: %w", e)
			return
		}
		if k.first < k.opening {
			k.first += n
			continue
		}
		k.want -= n
		k.sent = (k.sent + n) % l.p.next.period
	}
	if waits := k.first < k.opening || k.want > 0; waits != k.out {
		k.out = waits
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if waits {
			ev.Events |= syscall.EPOLLOUT
		}
		syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_MOD, k.fd, &ev)
	}
}

func (l *loop) receive(i int) {
	k := &l.conns[i]
	n, e := read(k.fd, l.buf)
	if e == syscall.EAGAIN {
		return
	}
	if e != 0 || n == 0 {
		l.fail(i, "read: %d bytes, %v", n, e)
		return
	}
	done, ok := l.take(k, l.buf[:n])
	if !ok {
		l.fail(i, "the answer differs from what was sent")
		return
	}
	if done == 0 {
		return
	}
	now := l.now()
	for left := done; left > 0; {
		if k.head == len(k.flight) {
			l.fail(i, "more answers than messages")
			return
		}
		b := &k.flight[k.head]
		m := min(left, b.n)
		if l.measuring {
			l.hist.RecordValues(now-b.at, int64(m))
		}
		left -= m
		if b.n -= m; b.n == 0 {
			k.head++
		}
	}
	if l.measuring {
		l.msgs += int64(done)
	}
	if l.c.rate == 0 {
		l.enqueue(i, done, now)
	}
}

// take compares a read with the expected stream, and counts the answers that
// it completes.
func (l *loop) take(k *conn, p []byte) (done int, ok bool) {
	resp := &l.p.resp
	if len(l.c.f.skip) == 0 && len(l.c.f.other) == 0 {
		ok = l.same(k, p)
		k.got = (k.got + len(p)) % resp.period
		k.partial += len(p)
		done = k.partial / resp.frame
		k.partial %= resp.frame
		return done, ok
	}
	between := -1
	if len(l.c.f.skip) > 0 {
		between = int(l.c.f.skip[0]) // it is one byte, with which no answer begins
	}
	for len(p) > 0 {
		if k.partial == 0 && int(p[0]) == between {
			p = p[1:]
			continue
		}
		n := min(resp.frame-k.partial, len(p))
		if !l.same(k, p[:n]) {
			if o := l.c.f.other; len(o) != resp.frame || !bytes.Equal(p[:n], o[k.partial:k.partial+n]) {
				return done, false
			}
			k.other = true
		}
		p = p[n:]
		k.got = (k.got + n) % resp.period
		if head := l.c.f.head; len(l.c.f.early) > 0 && k.partial < head && k.partial+n >= head {
			if m, _ := write(k.fd, l.c.f.early); m != len(l.c.f.early) {
				return done, false
			}
		}
		if k.partial += n; k.partial == resp.frame {
			k.partial = 0
			if !k.other {
				done++
			}
			k.other = false
		}
	}
	return done, true
}

// same compares a piece with the expected stream: whole where messages are
// small, else its ends, and whole every 16th time.
func (l *loop) same(k *conn, p []byte) bool {
	resp := &l.p.resp
	k.reads++
	at := k.got
	if l.fullChecks || k.reads%16 == 0 || len(p) <= 256 {
		for len(p) > 0 {
			n := min(len(p), len(resp.ring)-at)
			if !bytes.Equal(p[:n], resp.ring[at:at+n]) {
				return false
			}
			p = p[n:]
			at = (at + n) % resp.period
		}
		return true
	}
	tail := (at + len(p) - 128) % resp.period
	return bytes.Equal(p[:128], resp.ring[at:at+128]) &&
		bytes.Equal(p[len(p)-128:], resp.ring[tail:tail+128])
}
