package parley

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

const (
	// loopBuffer is how much one read of an event loop may bring. There is one for
	// each loop, so it can be larger than those of connections with a goroutine.
	loopBuffer = 4 * readSize
	// loopEvents is how many sockets one look may report.
	loopEvents = 256
	// loopReads is how often a loop reads from one connection before it turns
	// to the others.
	loopReads = 4
	// loopStall is how long handlers may hold up a loop before that is
	// reported.
	loopStall = 100 * time.Millisecond
)

// loop is an event loop: one goroutine at a time serves the connections whose
// sockets epoll reports. It waits for epoll's own descriptor in Go's poller, so
// no thread is blocked and the scheduler is none the wiser.
//
// A connection is attached to its loop while nothing about it has to wait. What
// has to wait (a handler that calls its client, a full inbox, a stream, the end)
// gets a goroutine, as with the other driver, until the connection is calm again.
type loop struct {
	epoll *os.File
	fd    int // of epoll
	raw   syscall.RawConn
	stall func(time.Duration) // told when a handler has held up the loop

	mu      sync.Mutex
	conns   []*loopConn // by descriptor
	todo    []*loopConn // may have something to read
	first   int         // of todo
	round   int         // how many of them come before the next look
	runner  *runner     // the goroutine that has the loop's role; nil: the loop has ended
	passing bool        // it is in a pass: only then it can be replaced
	served  uint64      // counts passes
	guard   *time.Timer // looks whether served counts, while the loop is busy
	guarded bool        // guard runs
	seen    uint64      // served when guard looked last
	wg      sync.WaitGroup
}

// runner is a goroutine that runs a loop, with what it needs for that. It loses
// its role when a handler it runs has to wait: then another goes on.
type runner struct {
	l     *loop
	buf   []byte
	in    input      // what has just been read, in buf
	event wire.Event // the last one
	evs   []unix.EpollEvent

	// The callback of look, which is made once, and its argument and result.
	poll func(epoll uintptr) bool
	wait bool
	n    int
}

// newLoops starts n event loops.
func newLoops(n int, stall func(time.Duration)) (ls []*loop, err error) {
	for range n {
		l, err := newLoop(stall)
		if err != nil {
			closeLoops(ls)
			return nil, fmt.Errorf("parley: making an event loop: %w", err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

func newLoop(stall func(time.Duration)) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that Go's poller takes it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &loop{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd, stall: stall}
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		l.epoll.Close()
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start()
	return l, nil
}

// start lets a new goroutine run the loop. It is called with the lock held.
func (l *loop) start() {
	l.passing = false
	r := &runner{l: l, buf: bufpool.Get(loopBuffer), evs: make([]unix.EpollEvent, loopEvents)}
	r.poll = func(epoll uintptr) bool {
		r.n = epollWait(int(epoll), r.evs)
		return r.n > 0 || !r.wait
	}
	l.runner = r
	l.wg.Add(1)
	go r.run()
}

// closeLoops ends loops whose connections have ended.
func closeLoops(ls []*loop) {
	for _, l := range ls {
		l.mu.Lock()
		l.runner = nil
		if l.guard != nil {
			l.guard.Stop()
		}
		l.mu.Unlock()
		l.epoll.Close()
		l.wg.Wait()
	}
}

// add makes lc, whose conn is set, one of the loop's.
func (l *loop) add(lc *loopConn) error {
	lc.loop = l
	l.mu.Lock()
	if missing := int(lc.fd) + 1 - len(l.conns); missing > 0 {
		l.conns = append(l.conns, make([]*loopConn, max(missing, len(l.conns)))...)
	}
	l.conns[lc.fd] = lc
	l.mu.Unlock()
	return l.control(unix.EPOLL_CTL_ADD, lc)
}

// arm has lc reported if there is something to read.
func (l *loop) arm(lc *loopConn) error { return l.control(unix.EPOLL_CTL_MOD, lc) }

// control is not called once the loop has ended: its connections have before.
func (l *loop) control(op int, lc *loopConn) error {
	const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | 1<<31 // EPOLLET, which x/sys has as a negative number
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.fd, op, int(lc.fd), &unix.EpollEvent{Events: edges, Fd: lc.fd}))
}

// remove forgets lc, whose socket is about to be closed.
func (l *loop) remove(lc *loopConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[lc.fd] == lc {
		l.conns[lc.fd] = nil
	}
}

// run serves connections until the role is another's or the loop has ended.
func (r *runner) run() {
	defer r.l.wg.Done()
	defer bufpool.Put(r.buf)
	for lc := r.next(); lc != nil; lc = r.next() {
		if lc.conn.pass(r) {
			r.again(lc)
		}
	}
}

// again queues lc behind the others, as it has more to read.
func (r *runner) again(lc *loopConn) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runner == r {
		l.queue(lc)
		return
	}
	l.arm(lc) // the one that has replaced r may be waiting for events
}

// queue gives lc a turn, but not two: a connection that always has more to read
// is no reason to serve it more often than the others. It is called with the
// lock held.
func (l *loop) queue(lc *loopConn) {
	if !lc.queued {
		lc.queued = true
		l.todo = append(l.todo, lc)
	}
}

// next returns whose turn it is, nil when the role is another's.
func (r *runner) next() *loopConn {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.runner == r {
		l.passing = l.round > 0
		if l.passing {
			lc := l.todo[l.first]
			l.todo[l.first] = nil
			lc.queued = false
			l.first++
			l.round--
			l.served++
			return lc
		}
		l.todo = l.todo[:copy(l.todo, l.todo[l.first:])]
		l.first = 0
		wait := len(l.todo) == 0
		l.mu.Unlock()
		n := r.look(wait)
		l.mu.Lock()
		if n < 0 {
			return nil
		}
		for _, ev := range r.evs[:n] {
			if lc := l.conns[ev.Fd]; lc != nil { // else it was closed meanwhile
				lc.event(ev.Events)
				l.queue(lc)
			}
		}
		l.round = len(l.todo)
		l.watch()
	}
	return nil
}

// look asks epoll for events, and waits for some if wait is set. It returns how
// many there are, -1 when the loop has ended.
func (r *runner) look(wait bool) int {
	r.wait = wait
	if r.l.raw.Read(r.poll) != nil {
		return -1
	}
	return r.n
}

// replace gives r's role to a new goroutine: r is in a handler that waits.
func (l *loop) replace(r *runner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runner == r && l.passing {
		l.start()
	}
}

// watch sees to it that a handler which blocks, in a way that parley can't know
// of, does not hold up the loop for long. It is called with the lock held.
func (l *loop) watch() {
	switch {
	case l.guard == nil:
		l.seen = l.served
		l.guard = time.AfterFunc(loopStall, l.onGuard)
	case !l.guarded:
		l.seen = l.served
		l.guard.Reset(loopStall)
	}
	l.guarded = true
}

func (l *loop) onGuard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guarded = false
	if l.runner == nil || !l.passing {
		return
	}
	if l.served == l.seen {
		l.start()
		go l.stall(loopStall)
	}
	l.watch()
}
