package reliability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
)

// An ordeal is a server with several guests, in whose code, wires, plugins and habits
// something is wrong, in virtual time. Whatever that is costs the connection that has
// it, and nothing else.
type ordeal struct {
	kind   kind
	plan   ordealPlan
	srv    *parley.Server
	budget *parley.Budget
	guests []*guest
	ctx    context.Context
	over   chan struct{} // closed when the server has shut down
	actors sync.WaitGroup

	machines, transforms atomic.Int32 // that the server has made

	mu       sync.Mutex
	accepted int
	problems []string
}

// ordealTimeouts bound a peer that takes nothing; the others are longer than any guest
// needs.
var ordealTimeouts = parley.Timeouts{
	Handshake: time.Hour, Write: 30 * time.Second, Answer: 10 * time.Minute, Progress: 10 * time.Minute,
	HalfClose: 10 * time.Minute, Close: time.Minute, Linger: 10 * time.Second,
}

func (o *ordeal) problem(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

// endure runs a plan in a bubble and returns what was wrong.
func endure(t *testing.T, k kind, p ordealPlan) (problems []string) {
	o := &ordeal{kind: k, plan: p}
	defer func() { // goroutines are left that wait for ever, or all are
		if r := recover(); r != nil {
			problems = append(o.problems, fmt.Sprintf("%v\n%s", r, goroutinesOfBubbles()))
		}
		if problems != nil {
			problems = append(problems, fmt.Sprintf("the plan: %+v", p))
		}
	}()
	synctest.Test(t, func(*testing.T) { o.run() })
	return o.problems
}

// goroutinesOfBubbles returns the stacks of what waits in virtual time.
func goroutinesOfBubbles() string {
	buf := make([]byte, 1<<20)
	var in []string
	for s := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if head, _, _ := strings.Cut(s, "\n"); strings.Contains(head, "synctest bubble") {
			in = append(in, s)
		}
	}
	return strings.Join(in, "\n\n")
}

func (o *ordeal) run() {
	const ever = 10 * time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), ever)
	defer cancel()
	o.ctx, o.over, o.budget = ctx, make(chan struct{}), parley.NewBudget(64<<20)
	network := netsim.New(o.plan.netSeed, o.plan.network)
	for i, p := range o.plan.guests {
		g := &guest{guestPlan: p, o: o, name: fmt.Sprintf("guest %d", i), all: make(chan struct{}), rng: rand.New(rand.NewPCG(o.plan.netSeed, uint64(i)))}
		g.doom.flaw = p.flaw
		o.guests = append(o.guests, g)
	}
	served := o.serve(network)
	var well sync.WaitGroup // guests that leave of themselves
	shut := make(chan struct{})
	if o.plan.early {
		o.actors.Go(func() {
			time.Sleep(time.Duration(o.plan.netSeed) * time.Microsecond / 16)
			o.shutdown()
			close(shut)
		})
	}
	for _, g := range o.guests {
		var err error
		if g.nc, err = network.Dial(); err != nil {
			break // it has shut down
		}
		synctest.Wait() // its machine has been made
		if g.habit != deaf {
			well.Add(1)
		}
		o.actors.Go(func() {
			if g.habit != deaf {
				defer well.Done()
			}
			g.visit()
		})
	}
	well.Wait()
	if !o.plan.early {
		o.shutdown()
		close(shut)
	}
	<-shut
	if err := <-served; err != parley.ErrServerClosed {
		o.problem("Serve returned %v", err)
	}
	close(o.over)
	o.actors.Wait()
	cancel()
	time.Sleep(ever) // whatever ends by a clock has ended
	o.judge()
}

// serve starts the server.
func (o *ordeal) serve(network *netsim.Net) (served <-chan error) {
	next := func(made *atomic.Int32) func() *doom {
		return func() *doom { return &o.guests[made.Add(1)-1].doom }
	}
	o.srv = &parley.Server{
		Protocol: doomedProtocol{o.kind.of(accepting), next(&o.machines), acceptingSide}, Plugins: o.kind.withPlugins(),
		Pull: o.plan.pull, Limits: o.plan.limits, Timeouts: ordealTimeouts, Budget: o.budget, OverwriteBorrowed: true,
		Hooks: o.hooks(acceptingSide, o.guestOf),
	}
	if o.kind.traits().Opaque && o.kind.plugins == nil {
		o.srv.Plugins = []parley.Plugin{doomedPlugin{next(&o.transforms), acceptingSide}}
	}
	if !o.plan.pull {
		o.srv.Handler = parley.HandlerFunc(o.answer)
	}
	ended := make(chan error, 1)
	go func() { ended <- o.srv.Serve(orderly{network.Listener(), o}) }()
	if o.plan.pull {
		o.actors.Go(o.receive)
	}
	if o.plan.news > 0 {
		o.actors.Go(o.tell)
	}
	return ended
}

// orderly is a listener that knows whose connection it accepts: they come one by one.
type orderly struct {
	net.Listener
	o *ordeal
}

func (l orderly) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.o.mu.Lock()
		defer l.o.mu.Unlock()
		l.o.guests[l.o.accepted].theirs = nc
		l.o.accepted++
	}
	return nc, err
}

// guestOf returns whose connection c is.
func (o *ordeal) guestOf(c *parley.Conn) *guest {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.guests {
		if g.theirs == c.NetConn() {
			return g
		}
	}
	panic("a connection of nobody")
}

// answer is the server's program, for one message.
func (o *ordeal) answer(ctx context.Context, c *parley.Conn, m parley.Message) error {
	g := o.guestOf(c)
	g.mu.Lock()
	n := g.asked
	g.asked++
	g.mu.Unlock()
	if g.doom.at(inHandler, acceptingSide) && g.doom.fired.Load() {
		o.problem("%s: the program is asked again behind its crash", g.name)
	}
	g.doom.meet(inHandler, acceptingSide)
	if g.habit == stranger {
		return c.Send(ctx, m)
	}
	if want := g.question(n).Text(); m.Text() != want {
		o.problem("%s: instead of %q the server got %.40q", g.name, want, m.Text())
	}
	time.Sleep(time.Duration(1 + (n+1)*int(o.plan.netSeed)%1000))
	if err := c.Send(ctx, parley.Text(g.answer(n))); err != nil {
		g.failed("the server's Send", err)
		return err
	}
	if n+1 == g.questions && g.halfClose == acceptingSide {
		return c.CloseWrite()
	}
	return nil
}

// receive is the program of a server that pulls.
func (o *ordeal) receive() {
	for {
		c, err := o.srv.Accept(o.ctx)
		if err != nil {
			return
		}
		o.actors.Go(func() {
			defer c.CloseNow()
			for {
				m, err := c.Receive(o.ctx)
				if errors.As(err, new(*parley.MessageError)) {
					continue
				}
				if err == nil {
					err = o.answer(o.ctx, c, m)
				}
				if err != nil {
					o.guestOf(c).failed("the server's program", err)
					return
				}
			}
		})
	}
}

// tell tells all guests something now and then. A machine may end its goroutine.
func (o *ordeal) tell() {
	for n := range o.plan.news {
		time.Sleep(time.Duration(1 + (n+1)*int(o.plan.netSeed)%700_000))
		o.srv.Broadcast(parley.Text(news))
	}
}

func (o *ordeal) shutdown() {
	ctx, cancel := context.WithTimeout(o.ctx, time.Hour)
	defer cancel()
	if err := o.srv.Shutdown(ctx); err != nil {
		o.problem("Shutdown: %v", err)
	}
}

// judge looks at what is left.
func (o *ordeal) judge() {
	faults := 0
	for _, g := range o.guests {
		for s := dialingSide; s < sides; s++ {
			opened, closed := g.opened[s].Load(), g.closed[s].Load()
			if opened > 1 || opened != closed {
				o.problem("%s, side %d: OnOpen was called %d times, OnClose %d times", g.name, s, opened, closed)
			}
		}
		if g.heard < g.questions && !g.excused() {
			o.problem("%s got %d of %d answers, of %d questions that have come: %v", g.name, g.heard, g.questions, g.asked, g.reasons)
		}
		if g.doom.fired.Load() && g.doom.side == acceptingSide && g.doom.how != impossible {
			faults++
		}
	}
	if used := o.budget.Used(); used != 0 {
		o.problem("the budget knows of %d bytes, and nobody is there", used)
	}
	st := o.srv.Stats()
	if counted := int(st.Faults.Panics); counted != faults {
		o.problem("%d faults are counted, there were %d", counted, faults)
	}
	if st.Open != 0 || st.Total.Pending != 0 {
		o.problem("%d connections are open, %d bytes pending, and nobody is there", st.Open, st.Total.Pending)
	}
}
