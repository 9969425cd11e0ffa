package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
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

// A plan is what the seed has decided for a whole run.
type plan struct {
	ending   ending
	closer   int // the end that closes, where one does
	pull     [2]bool
	streams  bool // messages above a small limit arrive as streams
	small    bool // small queues, so that everything blocks now and then
	cancel   bool // some sends are given up
	tasks    [2]int
	messages int // by task
	most     int // largest message
	faults   netsim.Faults
	calls    bool     // the client asks and the server answers
	quiet    bool     // nobody says anything but its tasks
	sizes    [2][]int // what each task sends at once, instead of random messages
}

// An ending is how a run ends.
type ending int

const (
	endQuiet    ending = iota // everything has arrived, then one end closes
	endEarly                  // one end closes when it has sent everything
	endBoth                   // both do
	endCut                    // one end cuts at a random moment
	endReset                  // the network resets the connection at a random byte
	endShutdown               // the server shuts down at a random moment
	endings
)

func (e ending) String() string {
	return [...]string{"quiet", "early close", "both close", "cut", "reset", "shutdown"}[e]
}

// newPlan lets the seed decide.
func newPlan(k kind, rng *rand.Rand) plan {
	p := plan{
		ending:   ending(rng.IntN(int(endings))),
		closer:   rng.IntN(2),
		pull:     [2]bool{rng.IntN(4) > 0, rng.IntN(2) == 0},
		tasks:    [2]int{1 + rng.IntN(3), 1 + rng.IntN(3)},
		messages: 1 + rng.IntN(8),
		most:     []int{100, 5000, 20_000, 70_000, 200_000}[rng.IntN(5)],
	}
	if rng.IntN(3) > 0 {
		p.ending = []ending{endQuiet, endEarly}[rng.IntN(2)]
	}
	p.streams = k.traits().Sized && k.plugins == nil && rng.IntN(3) == 0
	p.small = p.pull == [2]bool{true, true} && rng.IntN(3) == 0
	p.cancel = rng.IntN(6) == 0
	if k.traits().Lockstep {
		p.tasks[accepting] = 0 // a server speaks only in answer
		p.small = false
	}
	p.faults = netsim.Faults{
		Cut:     rng.IntN(5) > 0,
		Pause:   time.Duration(1 + rng.IntN(20_000)),
		Latency: time.Duration(1+rng.IntN(2_000_000)) * time.Nanosecond,
		Window:  []int{1000, 10_000, 65_536, 1 << 20}[rng.IntN(4)],
	}
	if rng.IntN(8) == 0 {
		p.faults.Stall = time.Second
	}
	if rng.IntN(20) == 0 { // one byte at a time
		p.most, p.faults.Window = 200, 1
	}
	if p.ending == endReset {
		p.faults.ResetAfter[rng.IntN(2)] = 1 + rng.Int64N(int64(p.most*p.messages)+100)
	}
	return p
}

// An end is one end of the connection and its program.
type end struct {
	sim    *sim
	side   int
	name   string
	conn   *parley.Conn
	opened chan struct{} // conn is known
	sends  *ledger
	hears  *ledger
	left   sync.WaitGroup // the tasks
	reacts int            // how often the handler may still speak
	kept   []kept         // received messages that must not change
	closed error          // what OnClose was told
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

// size picks the size of a message: edges, and everything between.
func (a *actor) size() int {
	edges := []int{0, 3, 4, 16 << 10, 64 << 10}
	n := a.rng.IntN(64)
	switch a.rng.IntN(4) {
	case 0:
		n = edges[a.rng.IntN(len(edges))] + a.rng.IntN(5) - 2
	case 1:
		n = a.rng.IntN(a.sim.plan.most)
	}
	n = max(0, min(n, a.sim.plan.most))
	if n > 0 && n < 3 { // no room for the tag
		n = 3
	}
	return n
}

// speak sends the messages of one task.
func (a *actor) speak() {
	for _, size := range a.sim.plan.sizes[a.side] {
		if !a.say(size) {
			return
		}
	}
	for range a.sim.plan.messages {
		a.pause()
		if !a.say(a.size()) {
			return
		}
	}
}

// say sends one message in one of the ways there are. It returns false when
// nothing more can be sent.
func (a *actor) say(size int) bool {
	l := a.sends
	m := a.sim.kind.random(a.rng, l.tag(a.task), size)
	confirm, stream := false, false
	switch a.rng.IntN(6) {
	case 0, 1:
		confirm = a.sim.kind.traits().Confirms
	case 2:
		t := a.sim.kind.traits() // without SendsStreams it has to be in memory
		stream = m.Type() == parley.TypeBytes && (t.SendsStreams || !a.sim.plan.streams)
	}
	if a.sim.plan.streams && m.Type() != parley.TypeBytes && m.Type() != parley.TypeText {
		m = randomBytes(a.rng, l.tag(a.task), size) // a stream has no number in it
	}
	ctx := a.sim.ctx
	if a.sim.plan.cancel && a.rng.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.rng.Int64N(int64(3*time.Millisecond))))
		defer cancel()
	}
	what := "Send"
	switch {
	case confirm:
		what = "Confirm"
	case stream:
		what = "SendStream"
	}
	e := l.sending(a.task, m, what)
	done := a.doing("%s %d, %d bytes", what, e.n, m.Len())
	var err error
	switch {
	case confirm:
		err = a.conn.Confirm(ctx, m)
	case stream:
		err = a.conn.SendStream(ctx, int64(m.Len()), &slowReader{a, m.Bytes()})
	default:
		err = a.conn.Send(ctx, m)
	}
	if m.Type() == parley.TypeBytes {
		clear(m.Bytes()) // it may be used again
	}
	done(err)
	l.sent(e, confirm, err)
	if err == nil {
		return true
	}
	if ctx.Err() != nil && a.sim.ctx.Err() == nil && a.conn.Err() == nil {
		return true // given up, and the connection lives
	}
	a.mustHaveEnded(err)
	return false
}

// mustHaveEnded checks that a call had a reason to fail.
func (a *actor) mustHaveEnded(err error) {
	if a.sim.plan.ending == endQuiet && !a.sim.plan.cancel {
		a.sim.problem("%s failed on a sound connection: %v", a.name, err)
	}
}

// slowReader brings its bytes piece by piece.
type slowReader struct {
	a *actor
	b []byte
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	r.a.pause()
	n := copy(p, r.b[:1+r.a.rng.IntN(len(r.b))])
	r.b = r.b[n:]
	return n, nil
}

// listen receives messages until the connection has ended.
func (a *actor) listen() {
	a.sim.busy.Add(1)
	defer a.sim.busy.Add(-1)
	for {
		a.pause()
		got, alive := a.hear(false)
		if !alive {
			return
		}
		// Only in answer: what is said out of nothing could come when all is quiet.
		if got && (!a.sim.plan.small || a.sim.kind.traits().Lockstep) {
			a.react(false)
		}
	}
}

// hear receives one message, unless that takes too long. alive is false when the
// connection has ended.
func (a *actor) hear(briefly bool) (got, alive bool) {
	ctx := a.sim.ctx
	if briefly || a.rng.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.rng.Int64N(int64(time.Millisecond))))
		defer cancel()
	}
	var err error
	if a.sim.plan.streams {
		err = a.hearStream(ctx)
	} else {
		var m parley.Message
		done := a.doing("Receive")
		a.sim.busy.Add(-1)
		m, err = a.conn.Receive(ctx)
		a.sim.busy.Add(1)
		done(err)
		if err == nil {
			a.hears.arrived(m)
			a.kept = append(a.kept, kept{m, a.sim.kind.key(m)})
		}
	}
	if errors.As(err, new(*parley.MessageError)) {
		a.sim.lost(a.name, err)
		return false, true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil && a.sim.ctx.Err() == nil {
		return false, true
	}
	return err == nil, err == nil
}

func (a *actor) hearStream(ctx context.Context) error {
	done := a.doing("ReceiveStream")
	a.sim.busy.Add(-1)
	s, err := a.conn.ReceiveStream(ctx)
	a.sim.busy.Add(1)
	done(err)
	if err != nil {
		return err
	}
	if err := a.readStream(s); err != nil {
		a.conn.CloseNow() // as a program does that can't go on
		return err
	}
	return nil
}

// readStream reads a stream to its end, or the most of it.
func (a *actor) readStream(s *parley.Stream) error {
	b := make([]byte, 0, s.Size())
	for {
		if a.rng.IntN(8) == 0 {
			a.pause()
		}
		done := a.doing("reading a stream, %d of %d bytes", len(b), s.Size())
		n, err := s.Read(b[len(b):min(cap(b), len(b)+1+a.rng.IntN(1<<14))])
		done(err)
		b = b[:len(b)+n]
		if err == nil && len(b) == cap(b) {
			n, err = s.Read(make([]byte, 1))
			if n > 0 {
				a.sim.problem("a stream of %d bytes brought more", s.Size())
			}
		}
		if err == io.EOF {
			m := parley.Bytes(b)
			if s.Type() == parley.TypeText {
				m = parley.Text(string(b))
			}
			a.hears.arrived(m)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// handler returns the program of an end that is pushed.
func (e *end) handler() parley.Handler {
	a := e.actor("handler", e.sim.plan.tasks[e.side])
	if e.sim.plan.calls {
		return callHandler{a}
	}
	h := &handler{a}
	if e.sim.plan.streams {
		return streamHandler{h}
	}
	return h
}

type handler struct{ *actor }

// ServeMessage checks the message at the beginning and at the end: its bytes
// are ours until we return.
func (h *handler) ServeMessage(_ context.Context, c *parley.Conn, m parley.Message) error {
	if c != h.conn {
		h.sim.problem("the handler got another connection")
	}
	h.sim.busy.Add(1)
	defer h.sim.busy.Add(-1)
	key := h.sim.kind.key(m)
	h.hears.arrived(m)
	h.react(true)
	if h.rng.IntN(3) == 0 {
		h.pause()
	}
	if h.sim.kind.key(m) != key {
		h.sim.problem("%s: a message changed while its handler ran", h.name)
	}
	if h.reacts%2 == 0 {
		return h.conn.Err() // as handlers do whose answer can't be sent any more
	}
	return nil
}

type streamHandler struct{ *handler }

func (h streamHandler) ServeStream(_ context.Context, _ *parley.Conn, s *parley.Stream) error {
	h.sim.busy.Add(1)
	defer h.sim.busy.Add(-1)
	if err := h.readStream(s); err != nil {
		h.mustHaveEnded(err)
		return err
	}
	h.react(true)
	return nil
}

// react does what programs do when they have received something.
func (a *actor) react(pushed bool) {
	// Behind a stream that nobody takes nothing is read, no answer either: a
	// program with streams that are not small must not wait in its receiver.
	if a.rng.IntN(3) > 0 || a.reacts == 0 || a.sim.plan.streams || a.sim.plan.quiet {
		return
	}
	a.reacts--
	if pushed && a.rng.IntN(4) == 0 && !a.sim.kind.traits().Lockstep {
		a.pause()
		a.hear(true) // what would have come next
		return
	}
	if !pushed { // the only receiver must not wait for an answer
		m := a.sim.kind.random(a.rng, a.sends.tag(a.task), min(a.size(), 20_000))
		e := a.sends.sending(a.task, m, "Send")
		done := a.doing("Send %d in answer, %d bytes", e.n, m.Len())
		err := a.conn.Send(a.sim.ctx, m)
		done(err)
		a.sends.sent(e, false, err)
		return
	}
	a.say(a.size())
}

// leave ends the connection as the plan says.
func (a *actor) leave() {
	s := a.sim
	mine := s.plan.closer == a.side
	switch s.plan.ending {
	case endQuiet:
		if mine {
			a.waitQuiet()
			a.close()
		}
	case endEarly:
		if s.kind.traits().Lockstep && a.side == dialing || !s.kind.traits().Lockstep && mine {
			a.left.Wait()
			a.close()
		}
	case endBoth:
		a.left.Wait()
		a.close()
	case endCut:
		if mine {
			a.sleep()
			a.conn.CloseNow()
		}
	case endReset:
		if a.side == dialing { // if the byte never comes
			a.waitQuiet()
			a.conn.CloseNow()
		}
	case endShutdown:
		if a.side == accepting {
			a.sleep()
			done := a.doing("Shutdown")
			err := s.srv.Shutdown(s.ctx)
			done(err)
			if err != nil {
				s.problem("Shutdown: %v", err)
			}
		}
	}
	done := a.doing("the end")
	<-a.conn.Done()
	done(nil)
}

// sleep waits for about as long as the programs run.
func (a *actor) sleep() {
	for range a.rng.IntN(4 * a.sim.plan.messages) {
		a.pause()
	}
}

func (a *actor) close() {
	done := a.doing("Close")
	err := a.conn.Close()
	done(err)
	if err != nil && a.sim.plan.ending != endBoth && !a.sim.plan.cancel {
		a.sim.problem("%s: %v", a.name, err)
	}
}

// waitQuiet waits until everything has been sent and has arrived.
func (a *actor) waitQuiet() {
	done := a.doing("everything to arrive")
	defer done(nil)
	for _, e := range a.sim.ends {
		e.left.Wait()
	}
	for patience := time.Millisecond; a.conn.Err() == nil; patience *= 2 {
		time.Sleep(patience)
		if a.sim.quiet() {
			time.Sleep(a.sim.venue.settled)
			if a.sim.quiet() {
				return
			}
		}
	}
}

// quiet: everything has arrived, and nobody is about to answer. It looks twice for
// what has not arrived: a receiver that was waiting at the first look may have got
// the last message before the second, and not answered yet.
func (s *sim) quiet() bool {
	arrived := func() bool {
		return s.ends[dialing].sends.outstanding()+s.ends[accepting].sends.outstanding() == 0
	}
	return arrived() && s.busy.Load() == 0 && arrived()
}

// judge looks at the result.
func (s *sim) judge() {
	for _, e := range s.ends {
		for _, k := range e.kept {
			if s.kind.key(k.m) != k.key {
				s.problem("%s: a message changed after Receive had returned it: %v", e.name, k.m)
			}
		}
		// Whatever an end has sent before it closes arrives if the other one
		// goes on reading.
		all := s.plan.ending == endQuiet || s.plan.ending == endEarly && s.plan.closer == e.side || s.plan.ending == endShutdown && e.side == accepting
		if s.kind.traits().Lockstep && s.plan.ending == endEarly {
			all = e.side == dialing
		}
		if s.plan.cancel && s.plan.ending != endQuiet {
			all = false
		}
		if s.plan.cancel && e.conn != nil && (cancelled(s.ends[0].closed) || cancelled(s.ends[1].closed)) {
			all = false
		}
		s.problems = append(s.problems, e.sends.verdict(all, s.dropped(s.ends[1-e.side]))...)
		if e.conn != nil {
			s.checkStats(e)
		}
	}
}

// dropped returns how many messages e has received, and confirmed, but not given
// to its handler because it had closed the connection itself meanwhile.
func (s *sim) dropped(e *end) int {
	if e.conn == nil || s.plan.pull[e.side] || !errors.Is(e.closed, parley.ErrClosed) {
		return 0
	}
	return e.conn.Stats().Waiting
}

// cancelled reports whether a connection was ended by a send that was given up.
func cancelled(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "cancelled in the middle") || !errors.Is(err, parley.ErrClosed) && !errors.Is(err, parley.ErrPeerClosed))
}

// checkStats compares the connection's counters with what has happened.
func (s *sim) checkStats(e *end) {
	st := e.conn.Stats()
	if st.Waiting != 0 && s.plan.pull[e.side] {
		s.problem("%s: %d messages wait in a connection that has ended and been received from", e.name, st.Waiting)
	}
	if st.Pending != 0 {
		s.problem("%s: %d bytes are pending on a connection that has ended", e.name, st.Pending)
	}
	if s.plan.ending == endQuiet && st.Lost+st.TooLarge != 0 {
		s.problem("%s: %d messages lost, %d refused", e.name, st.Lost, st.TooLarge)
	}
	if int(st.Confirmed) < e.sends.confirms {
		s.problem("%s: %d calls of Confirm succeeded with %d confirmations", e.name, e.sends.confirms, st.Confirmed)
	}
}
