package reliability

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
)

// A guest is one connection of an ordeal: its client, and what its server must have
// done for it.
type guest struct {
	guestPlan
	o      *ordeal
	name   string
	rng    *rand.Rand
	doom   doom
	nc     *netsim.Conn // its own end
	theirs net.Conn     // the server's
	all    chan struct{}

	opened, closed [sides]atomic.Int32 // calls of the hooks

	mu      sync.Mutex
	asked   int // questions that have come to the server's program
	heard   int // answers that have come in their order
	reasons []error
}

// failed notes why something did not go on. Whether there was a reason for it is judged
// in the end.
func (g *guest) failed(what string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.reasons) < 5 {
		g.reasons = append(g.reasons, fmt.Errorf("%s: %w", what, err))
	}
}

// excused reports whether g can't have got everything.
func (g *guest) excused() bool {
	return g.doom.fired.Load() || g.o.plan.early || g.habit > pauses
}

// size is how large the n-th answer is.
func (g *guest) size(n int) int { return (n + 1) * 7919 * g.most % (g.most + 1) }

func (g *guest) question(n int) parley.Message {
	return parley.Text(fmt.Sprintf("question %d of %d", n, g.questions))
}

func (g *guest) answer(n int) string { return fmt.Sprintf("answer %d %s", n, letters[:g.size(n)]) }

const news = "news"

// hear takes an answer, and reports whether it was the last.
func (g *guest) hear(m parley.Message) (last bool) {
	if m.Text() == news {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if want := g.answer(g.heard); m.Text() != want {
		if g.excused() && g.o.kind.name == "line" && strings.HasPrefix(want, m.Text()) {
			return false // the end of the stream ends a line
		}
		g.o.problem("%s: instead of %.20q (%d bytes) came %.20q (%d bytes)", g.name, want, len(want), m.Text(), m.Len())
		return false
	}
	g.heard++
	return g.heard == g.questions
}

// hooks count for one side.
func (o *ordeal) hooks(s side, of func(*parley.Conn) *guest) parley.Hooks {
	return parley.Hooks{
		OnOpen: func(_ context.Context, c *parley.Conn) error {
			g := of(c)
			g.opened[s].Add(1)
			g.doom.meet(inOpen, s)
			return nil
		},
		OnClose: func(c *parley.Conn, _ error) {
			g := of(c)
			g.closed[s].Add(1)
			g.doom.meet(inClose, s)
		},
	}
}

// visit is the guest's whole life. A machine may end its goroutine at any call.
func (g *guest) visit() {
	defer g.nc.Close()
	if g.habit == stranger {
		g.babble()
		return
	}
	own := func() *doom { return &g.doom }
	d := &parley.Dialer{
		Protocol: doomedProtocol{g.o.kind.of(dialing), own, dialingSide}, Plugins: g.o.kind.withPlugins(),
		Limits: g.o.plan.limits, Timeouts: ordealTimeouts, Budget: g.o.budget, OverwriteBorrowed: true,
		Hooks: g.o.hooks(dialingSide, func(*parley.Conn) *guest { return g }),
	}
	if g.doom.at(inPlugin, dialingSide) {
		d.Plugins = []parley.Plugin{doomedPlugin{own, dialingSide}}
	}
	if !g.pull {
		d.Handler = parley.HandlerFunc(g.serve)
	}
	c, err := d.NewConn(g.o.ctx, g.nc)
	if err != nil {
		g.failed("NewConn", err)
		return
	}
	defer c.CloseNow()
	g.o.actors.Go(func() { g.ask(c) })
	switch {
	case g.habit == deaf:
		select {
		case <-g.o.over:
		case <-time.After(5 * time.Minute): // the wire may serve one at a time
		}
		return
	case g.pull:
		g.listen(c)
	default:
		select {
		case <-g.all:
		case <-c.Done():
		}
	}
	c.Close()
}

// serve is the program of a guest that is pushed.
func (g *guest) serve(_ context.Context, _ *parley.Conn, m parley.Message) error {
	if g.habit == pauses && g.heard == 0 {
		time.Sleep(g.rest)
	}
	if g.hear(m) {
		close(g.all)
	}
	g.doom.meet(inHandler, dialingSide) // what came with it may still be served
	return nil
}

// listen is that of one that receives.
func (g *guest) listen(c *parley.Conn) {
	if g.habit == pauses {
		time.Sleep(g.rest)
	}
	for {
		m, err := c.Receive(g.o.ctx)
		if err != nil {
			g.failed("Receive", err)
			return
		}
		if g.hear(m) {
			return
		}
	}
}

// ask sends all questions, whatever comes meanwhile.
func (g *guest) ask(c *parley.Conn) {
	for n := range g.questions {
		time.Sleep(time.Duration(1 + g.rng.IntN(200_000)))
		if g.habit == resets && n == g.questions/2 {
			g.nc.Reset()
		}
		if err := c.Send(g.o.ctx, g.question(n)); err != nil {
			g.failed("Send", err)
			return
		}
	}
	if g.halfClose == dialingSide {
		if err := c.CloseWrite(); err != nil {
			g.failed("CloseWrite", err)
		}
	}
}

// babble says something that is no wire, or nothing, and ends its direction.
func (g *guest) babble() {
	g.nc.SetDeadline(time.Now().Add(5 * time.Minute))
	g.nc.Write(noise[g.rng.IntN(1000):][:g.rng.IntN(100)])
	if g.halfClose != acceptingSide {
		g.nc.CloseWrite()
	}
	io.Copy(io.Discard, g.nc)
}
