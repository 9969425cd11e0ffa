package reliability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
)

const (
	dialing   = 0
	accepting = 1
)

// A sim is one run of the simulation: two ends that do at random what programs
// do, over a network that does what networks do. Every decision comes from the
// seed.
type sim struct {
	kind   kind
	driver driver
	seed   uint64
	logf   func(format string, args ...any)

	plan  plan
	venue venue
	srv   *parley.Server
	ends  [2]*end
	grain time.Duration // the longest pause of an actor
	ctx   context.Context
	busy  atomic.Int64 // receivers that are not waiting for a message

	mu       sync.Mutex
	doing    map[string]string // what each actor waits for
	problems []string
}

// An end is one end of the connection and its program.
type end struct {
	sim      *sim
	side     int
	name     string
	conn     *parley.Conn
	opened   chan struct{} // conn is known
	sends    *ledger
	hears    *ledger
	left     sync.WaitGroup // the tasks
	reacts   int            // how often the handler may still speak
	kept     []kept         // received messages that must not change
	closed   error          // what OnClose was told
	unwanted atomic.Bool    // the program has ended the connection at once
}

type kept struct {
	m   parley.Message
	key uint64
}

// An actor is one goroutine of a program, with randomness of its own.
type actor struct {
	*end
	name string
	rng  *rand.Rand
	task int
}

func (e *end) actor(what string, task int) *actor {
	return &actor{end: e, name: e.name + " " + what, task: task,
		rng: rand.New(rand.NewPCG(e.sim.seed, uint64(e.side)<<32|uint64(task)<<8|uint64(what[0])))}
}

// pause lets a random moment pass, which no other actor's pause ends with.
func (a *actor) pause() { time.Sleep(1 + time.Duration(a.rng.Int64N(int64(a.sim.grain)))) }

// doing says what the actor waits for; call the result when it does not any
// more.
func (a *actor) doing(format string, args ...any) (done func(err error)) {
	what := fmt.Sprintf(format, args...)
	s := a.sim
	s.mu.Lock()
	s.doing[a.name] = what
	s.mu.Unlock()
	s.logf("%s: %s", a.name, what)
	return func(err error) {
		s.mu.Lock()
		delete(s.doing, a.name)
		s.mu.Unlock()
		s.logf("%s: %s: %v", a.name, what, err)
	}
}

func (s *sim) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// lost notes a lost message. A side that closes may lose what arrives then.
func (s *sim) lost(who string, err error) {
	if s.plan.ending == endQuiet || !errors.Is(err, parley.ErrClosed) {
		s.problem("%s: %v", who, err)
	}
}

// newSim prepares a run.
func newSim(k kind, d driver, seed uint64) *sim {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &sim{kind: k, driver: d, seed: seed, plan: newPlan(k, rng), doing: map[string]string{}, logf: func(string, ...any) {}}
	s.grain = time.Duration(1 + rng.IntN(300_000))
	for side, name := range []string{"client", "server"} {
		s.ends[side] = &end{sim: s, side: side, name: name, reacts: 10}
		s.ends[side].sends = newLedger(k, name, s.plan.tasks[side]+1) // the last task is the reaction
	}
	s.ends[dialing].hears, s.ends[accepting].hears = s.ends[accepting].sends, s.ends[dialing].sends
	return s
}

// limits returns the limits of both ends.
func (s *sim) limits() (l parley.Limits) {
	if s.plan.streams {
		l.MaxMessage = int64(s.plan.most / 2)
	}
	if s.plan.small {
		l.MaxOutput, l.MaxInput, l.MaxQueue = 1+s.plan.most/3, 1+s.plan.most/2, 2
	}
	return l
}

// open connects the two ends.
func (s *sim) open() (served <-chan error, ok bool) {
	server := s.ends[accepting]
	s.srv = &parley.Server{
		Protocol: s.kind.of(accepting), Pull: s.plan.pull[accepting], Plugins: s.kind.withPlugins(),
		Limits: s.limits(), Timeouts: s.venue.timeouts,
		Hooks: parley.Hooks{
			OnOpen: func(_ context.Context, c *parley.Conn) error {
				server.conn = c
				close(server.opened)
				return nil
			},
			OnClose:        func(_ *parley.Conn, err error) { server.closed = err },
			OnMessageError: func(_ *parley.Conn, err error) { s.lost("server", err) },
		},
	}
	s.driver.use(s.srv)
	if !s.srv.Pull {
		s.srv.Handler = server.handler()
	}
	client := s.ends[dialing]
	dialer := &parley.Dialer{
		Protocol: s.kind.of(dialing), Plugins: s.kind.withPlugins(), Limits: s.limits(), Timeouts: s.venue.timeouts,
		Hooks: parley.Hooks{
			OnOpen: func(_ context.Context, c *parley.Conn) error {
				client.conn = c
				close(client.opened)
				return nil
			},
			OnClose:        func(_ *parley.Conn, err error) { client.closed = err },
			OnMessageError: func(_ *parley.Conn, err error) { s.lost("client", err) },
		},
	}
	if !s.plan.pull[dialing] {
		dialer.Handler = client.handler()
	}
	ended := make(chan error, 1)
	go func() { ended <- s.srv.Serve(s.venue.listener) }()
	var c *parley.Conn
	nc, err := s.venue.dial()
	if err == nil {
		c, err = dialer.NewConn(s.ctx, nc)
	}
	if err != nil {
		if s.plan.ending != endReset {
			s.problem("dialling: %v", err)
		}
		return ended, false
	}
	if client.conn != c {
		s.problem("OnOpen saw another connection")
	}
	return ended, true
}

// run runs the plan and returns what was wrong.
func (s *sim) run() []string {
	ctx, cancel := context.WithTimeout(context.Background(), s.venue.patience)
	defer cancel()
	s.ctx = ctx
	for _, e := range s.ends { // in the bubble, if there is one
		e.opened = make(chan struct{})
	}
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		var waits []string
		for actor, what := range s.doing {
			waits = append(waits, actor+" waits: "+what)
		}
		slices.Sort(waits)
		s.mu.Unlock()
		s.problem("deadlock:\n  %s", strings.Join(waits, "\n  "))
		for _, e := range s.ends {
			if e.conn != nil {
				e.conn.CloseNow()
			}
		}
	})
	served, ok := s.open()
	if ok {
		s.play()
	}
	s.srv.Close()
	if err := <-served; err != parley.ErrServerClosed {
		s.problem("Serve returned %v", err)
	}
	for _, e := range s.ends {
		if e.conn != nil {
			e.conn.CloseNow()
			<-e.conn.Done()
		}
	}
	stop()
	s.judge()
	return s.problems
}

// play lets both programs run until the connection has ended.
func (s *sim) play() {
	select {
	case <-s.ends[accepting].opened:
	case <-s.ends[dialing].conn.Done(): // reset before the server had opened
		return
	}
	if s.plan.calls {
		s.playCalls()
		return
	}
	var actors sync.WaitGroup
	for _, e := range s.ends { // before anybody waits for it
		e.left.Add(s.plan.tasks[e.side])
	}
	for _, e := range s.ends {
		for task := range s.plan.tasks[e.side] {
			a := e.actor("task "+fmt.Sprint(task), task)
			actors.Go(func() {
				defer e.left.Done()
				a.speak()
			})
		}
		if s.plan.pull[e.side] {
			actors.Go(e.actor("receiver", s.plan.tasks[e.side]).listen)
		}
		actors.Go(e.actor("closer", 0).leave)
	}
	actors.Wait()
}
