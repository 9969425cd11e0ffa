package poller

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley/internal/bufpool"
)

const (
	// bufferSize is how much one read may bring. There is one buffer for each
	// runner, so it can be large.
	bufferSize = 256 << 10
	// events is how many sockets one look may report.
	events = 256
	// stallTime is how long owners may hold up a loop before that is reported.
	stallTime = 100 * time.Millisecond
)

// Loop is an event loop: one goroutine at a time, its runner, serves the owners of
// the sockets that epoll reports. It waits for epoll's own descriptor in Go's
// poller, so no thread is blocked and the scheduler is none the wiser.
type Loop[O any] struct {
	epoll   *os.File
	fd      int // of epoll
	raw     syscall.RawConn
	begin   func(*Runner[O]) (serve func(O) (more bool))
	stalled func(time.Duration)

	mu      sync.Mutex
	conns   []*Conn[O]  // by descriptor
	todo    []*Conn[O]  // may have something to read
	first   int         // of todo
	round   int         // how many of them come before the next look
	runner  *Runner[O]  // the goroutine that has the loop's role; nil: the loop has ended
	passing bool        // it is serving: only then it can be replaced
	served  uint64      // counts what has been served
	guard   *time.Timer // looks whether served counts, while the loop is busy
	guarded bool        // guard runs
	seen    uint64      // served when guard looked last
	wg      sync.WaitGroup
}

// Runner is a goroutine that runs a Loop. It loses its role when an owner that it
// serves has to wait: then another one goes on.
type Runner[O any] struct {
	// Buffer is empty and of 256 KiB, for whoever is being served.
	Buffer []byte

	loop  *Loop[O]
	serve func(O) (more bool)
	evs   []unix.EpollEvent

	// The callback of look, which is made once, and its argument and result.
	poll func(epoll uintptr) bool
	wait bool
	n    int
}

// New starts a loop. begin is called for each of its runners and returns how that
// serves an owner whose socket may have something to read: serve reports whether
// there may be more. stalled is called, on a goroutine of its own, when an owner has
// held up the loop for the given time, and another runner has taken over.
func New[O any](begin func(*Runner[O]) (serve func(O) (more bool)), stalled func(time.Duration)) (*Loop[O], error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that Go's poller takes it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &Loop[O]{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd, begin: begin, stalled: stalled}
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
func (l *Loop[O]) start() {
	l.passing = false
	r := &Runner[O]{loop: l, Buffer: bufpool.Get(bufferSize), evs: make([]unix.EpollEvent, events)}
	r.poll = func(epoll uintptr) bool {
		r.n = epollWait(int(epoll), r.evs)
		return r.n > 0 || !r.wait
	}
	r.serve = l.begin(r)
	l.runner = r
	l.wg.Add(1)
	go r.run()
}

// Close ends the loop, whose sockets have been closed, and waits for its runners.
func (l *Loop[O]) Close() {
	l.mu.Lock()
	l.runner = nil
	if l.guard != nil {
		l.guard.Stop()
	}
	l.mu.Unlock()
	l.epoll.Close()
	l.wg.Wait()
}

// Add makes c one of the loop's, with its owner.
func (l *Loop[O]) Add(c *Conn[O], owner O) error {
	c.owner, c.loop = owner, l
	l.mu.Lock()
	if missing := int(c.fd) + 1 - len(l.conns); missing > 0 {
		l.conns = append(l.conns, make([]*Conn[O], max(missing, len(l.conns)))...)
	}
	l.conns[c.fd] = c
	l.mu.Unlock()
	return l.control(unix.EPOLL_CTL_ADD, c)
}

// Arm has c, which has been added to a loop, reported if there is something to
// read: events that came before are not told again.
func (c *Conn[O]) Arm() error { return c.loop.control(unix.EPOLL_CTL_MOD, c) }

// control is not called once the loop has ended: its sockets have before.
func (l *Loop[O]) control(op int, c *Conn[O]) error {
	const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | 1<<31 // EPOLLET, which x/sys has as a negative number
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.fd, op, int(c.fd), &unix.EpollEvent{Events: edges, Fd: c.fd}))
}

// remove forgets c, whose socket is about to be closed.
func (l *Loop[O]) remove(c *Conn[O]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[c.fd] == c {
		l.conns[c.fd] = nil
	}
}

// run serves connections until the role is another's or the loop has ended.
func (r *Runner[O]) run() {
	defer r.loop.wg.Done()
	defer bufpool.Put(r.Buffer)
	defer r.Leave() // if an owner has ended this goroutine
	for c := r.next(); c != nil; c = r.next() {
		if r.serve(c.owner) {
			r.again(c)
		}
	}
}

// again queues c behind the others, as it has more to read.
func (r *Runner[O]) again(c *Conn[O]) {
	l := r.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runner == r {
		l.queue(c)
		return
	}
	c.Arm() // the one that has replaced r may be waiting for events
}

// queue gives c a turn, but not two: a connection that always has more to read
// is no reason to serve it more often than the others. It is called with the
// lock held.
func (l *Loop[O]) queue(c *Conn[O]) {
	if !c.queued {
		c.queued = true
		l.todo = append(l.todo, c)
	}
}

// next returns whose turn it is, nil when the role is another's.
func (r *Runner[O]) next() *Conn[O] {
	l := r.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.runner == r {
		l.passing = l.round > 0
		if l.passing {
			c := l.todo[l.first]
			l.todo[l.first] = nil
			c.queued = false
			l.first++
			l.round--
			l.served++
			return c
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
			if c := l.conns[ev.Fd]; c != nil { // else it was closed meanwhile
				c.event(ev.Events)
				l.queue(c)
			}
		}
		l.round = len(l.todo)
		l.watch()
	}
	return nil
}

// look asks epoll for events, and waits for some if wait is set. It returns how
// many there are, -1 when the loop has ended.
func (r *Runner[O]) look(wait bool) int {
	r.wait = wait
	if r.loop.raw.Read(r.poll) != nil {
		return -1
	}
	return r.n
}

// Leave gives the loop to another runner, if r has it still, as whom it serves is
// going to wait.
func (r *Runner[O]) Leave() {
	l := r.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runner == r && l.passing {
		l.start()
	}
}

// watch sees to it that an owner which blocks, in a way that nobody
// has told of, does not hold up the loop for long. It is called with the lock held.
func (l *Loop[O]) watch() {
	switch {
	case l.guard == nil:
		l.seen = l.served
		l.guard = time.AfterFunc(stallTime, l.onGuard)
	case !l.guarded:
		l.seen = l.served
		l.guard.Reset(stallTime)
	}
	l.guarded = true
}

func (l *Loop[O]) onGuard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guarded = false
	if l.runner == nil || !l.passing {
		return
	}
	if l.served == l.seen {
		l.start()
		go l.stalled(stallTime)
	}
	l.watch()
}
