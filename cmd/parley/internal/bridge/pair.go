package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/due"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/wire"
)

var pairs parley.Key[*pair]

// pair is a client with its connection to the target.
type pair struct {
	b          *Bridge
	log        *slog.Logger
	client     *parley.Conn
	target     peer
	conn       func(context.Context) (*parley.Conn, error) // that of the target, now
	correlator *correlator                                 // nil unless the clients are spoken to in answer only
	due        due.Answers                                 // to the client
	mute       uint64                                      // messages of the client that have no answer; serveClient's
	ended      chan struct{}

	mu    sync.Mutex
	over  bool           // no more loops
	loops sync.WaitGroup // one for each connection with the target
}

// peer is a *parley.Conn, or a *parley.Client, which has several one after the
// other.
type peer interface {
	Send(context.Context, parley.Message) error
	Confirm(context.Context, parley.Message) error
	Close() error
}

// connect connects with the target.
func (p *pair) connect(ctx context.Context) error {
	t := &p.b.Target
	if t.Client != nil {
		client := t.Client()
		if err := p.configure(&client.Dialer); err != nil {
			return err
		}
		client.Start()
		p.target, p.conn = client, client.Conn
		return nil
	}
	d := &parley.Dialer{}
	if err := p.configure(d); err != nil {
		return err
	}
	c, err := t.Dial(ctx, d)
	if err != nil {
		return err
	}
	p.target, p.conn = c, func(context.Context) (*parley.Conn, error) { return c, nil }
	return nil
}

func (p *pair) configure(d *parley.Dialer) error {
	err := p.b.Target.Configure(d)
	d.Protocol = deferAck(p.b.target)
	d.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.over || !p.b.open.add(c) {
			return parley.ErrClosed
		}
		p.loops.Go(func() {
			defer p.b.open.remove(c)
			p.serveTarget(c)
		})
		return nil
	}
	if d.Logger != nil {
		d.Logger = d.Logger.With("for", p.client.RemoteAddr())
	}
	return err
}

// serveClient carries the client's messages to the target until it has left.
func (p *pair) serveClient() {
	if err := p.receive(p.client, p.up); errors.Is(err, parley.ErrPeerClosed) {
		p.passEnd()
		p.awaitAnswers()
	}
	p.client.Close()
	p.target.Close()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.loops.Wait()
	close(p.ended)
}

// passEnd ends our stream to the target as the client has ended its own, behind what
// it has said: some answer only then. A wire on which we still owe the target
// something, or say goodbye in words, can't have that.
func (p *pair) passEnd() {
	c, ok := p.target.(*parley.Conn)
	if t := p.b.target.Traits(); !ok || t.Confirms || t.Lockstep {
		return
	}
	c.CloseWrite()
}

// awaitAnswers waits until a client that has ended its stream, and may still read, has
// its answers: not longer than its connection stays open.
func (p *pair) awaitAnswers() {
	asked := p.client.Stats().MessagesIn - p.mute
	if p.correlator != nil && p.correlator.answers >= 0 {
		asked *= uint64(p.correlator.answers)
	}
	answered := make(chan struct{})
	p.due.End(asked, sync.OnceFunc(func() { close(answered) }))
	select {
	case <-answered:
	case <-p.client.Context().Done(): // it has said goodbye, or is gone
	}
}

// serveTarget carries the target's messages to the client until c, a connection
// with the target, has ended.
func (p *pair) serveTarget(c *parley.Conn) {
	err := p.receive(c, func(m parley.Message) error { return p.down(c, m) })
	c.Close()
	forGood := p.b.Target.Client == nil
	if p.correlator != nil && p.correlator.lost(forGood) {
		p.tell(fmt.Errorf("the target is gone: %w", err))
	}
	if forGood {
		p.client.Close()
	}
}

// receive gives each message that arrives on c to forward, one after the other,
// and returns why that ended. The connection goes on reading meanwhile, within
// its limits, so that what is waited for on it arrives.
func (p *pair) receive(c *parley.Conn, forward func(parley.Message) error) error {
	next := p.next
	if p.b.streams() {
		next = p.nextStream
	}
	for {
		if err := next(c, forward); err != nil {
			return err
		}
	}
}

// next carries one message. One that is lost on its way to us is in the log.
func (p *pair) next(c *parley.Conn, forward func(parley.Message) error) error {
	m, err := c.Receive(context.Background())
	if err != nil {
		return lost(c, err)
	}
	return p.noted(c, forward(m))
}

// nextStream is next for wires on which a message need not be in memory.
func (p *pair) nextStream(c *parley.Conn, forward func(parley.Message) error) error {
	s, err := c.ReceiveStream(context.Background())
	if err != nil {
		return lost(c, err)
	}
	if s.Size() <= inMemory {
		b := make([]byte, s.Size())
		if _, err := io.ReadFull(s, b); err != nil {
			return lost(c, err)
		}
		if err := s.Close(); err != nil {
			return lost(c, err)
		}
		return p.noted(c, forward(parley.Bytes(b)))
	}
	to := p.client
	if c == p.client {
		ctx, cancel := context.WithTimeout(c.Context(), p.b.Timeout)
		defer cancel()
		if to, err = p.conn(ctx); err != nil {
			return p.noted(c, err)
		}
	}
	if err := to.SendStream(to.Context(), s.Size(), s); err != nil {
		return p.noted(c, err)
	}
	if c != p.client {
		p.due.Answered()
	}
	return lost(c, s.Close())
}

// inMemory is the largest message that is copied where it need not be.
const inMemory = 1 << 20

// lost returns err if it is the end of c, not the loss of one message.
func lost(c *parley.Conn, err error) error {
	if errors.As(err, new(*parley.MessageError)) || errors.Is(err, parley.ErrTooLarge) && c.Err() == nil {
		return nil
	}
	return err
}

// noted logs why a message from c could not be carried, which is the end of c.
func (p *pair) noted(c *parley.Conn, err error) error {
	if err != nil {
		from := "target"
		if c == p.client {
			from = "client"
		}
		p.log.Warn("connection closed: a message could not be carried", "from", from, "error", err)
	}
	return err
}

// up carries a message of the client to the target.
func (p *pair) up(m parley.Message) error {
	p.due.Asked()
	if p.correlator != nil {
		return p.command(m)
	}
	out, err := p.b.convert(m, p.b.clients, p.b.target, wire.Dialing)
	if err != nil {
		return err
	}
	if p.b.target.Name() == "scpi" && !ask.IsQuery(out.Bytes()) {
		p.mute++
	}
	return p.pass(m, p.client, out, p.target)
}

// command is up for a client that can be told what went wrong with its
// command, and goes on unless the target is gone.
func (p *pair) command(m parley.Message) error {
	if err := p.correlator.wait(p.client.Context()); err != nil {
		return err
	}
	p.correlator.open(p.b.Timeout, moved(p.target), p.expired)
	out, err := p.b.convert(m, p.b.clients, p.b.target, wire.Dialing)
	if err == nil {
		err = p.pass(m, p.client, out, p.target)
	}
	if err == nil {
		return nil
	}
	if p.correlator.cancel() { // or serveTarget has told it
		p.tell(err)
	}
	if p.b.Target.Client == nil && !isSenders(err) {
		return err
	}
	p.log.Warn("a command could not be carried", "command", m.String(), "error", err)
	return nil
}

// down carries a message of the target to the client. c is the connection on
// which it has come.
func (p *pair) down(c *parley.Conn, m parley.Message) error {
	if p.correlator != nil {
		answers, err := p.correlator.admit(c.Context(), p.b.Unsolicited)
		if err != nil {
			return err
		}
		if !answers {
			p.log.Warn("unsolicited message dropped", "message", m.String())
			take(c, m)
			return nil
		}
		defer p.correlator.answered()
	}
	defer p.due.Answered()
	err := p.answer(c, m)
	if errors.Is(err, parley.ErrNotRepresentable) {
		if lines := p.b.lines(m); len(lines) > 1 { // one by one
			err = nil
			for i := 0; i < len(lines) && err == nil; i++ {
				err = p.answer(c, lines[i])
			}
		}
	}
	if err != nil && p.correlator != nil && isSenders(err) {
		p.tell(fmt.Errorf("the answer can't be carried: %w", err))
	}
	return err
}

// answer carries m, which has come on c, to the client as one message.
func (p *pair) answer(c *parley.Conn, m parley.Message) error {
	out, err := p.b.convert(m, p.b.target, p.b.clients, wire.Accepting)
	if err != nil {
		return err
	}
	return p.pass(m, c, out, p.client)
}

// pass sends out, which is what m becomes, and, where m's wire lets us, tells
// its sender only then that it has been taken: when the other wire has
// confirmed it or, if that has no confirmations, when it is on its way. What
// has arrived is passed on even if its sender has gone meanwhile.
func (p *pair) pass(m parley.Message, from *parley.Conn, out parley.Message, to peer) error {
	ours := isAcknowledged(m)
	send := to.Send
	if ours && p.traits(to).Confirms {
		send = to.Confirm
	}
	ctx := p.b.open.context()
	c, isConn := to.(*parley.Conn)
	if isConn {
		ctx = c.Context()
	}
	if !isConn || ours {
		var cancel context.CancelFunc
		ctx, cancel = moving.While(ctx, p.b.Timeout, moved(to))
		defer cancel()
	}
	err := send(ctx, out)
	if mode, ok := serpy.Mode(out); ok && mode < 2 && errors.Is(err, parley.ErrNotRepresentable) {
		err = send(ctx, serpy.WithMode(out, mode|2)) // serpy: plain bytes that only base85 can carry
	}
	if err == nil {
		take(from, m)
	}
	return err
}

// moved returns what tells whether something moves between us and to.
func moved(to peer) func() uint64 {
	return func() uint64 {
		switch to := to.(type) {
		case *parley.Conn:
			return moving.Of(to)
		case *parley.Client:
			s := to.Stats().Total
			return s.BytesIn + s.BytesOut - uint64(s.Pending)
		}
		return 0
	}
}

func (p *pair) traits(to peer) wire.Traits {
	if to == peer(p.client) {
		return p.b.clients.Traits()
	}
	return p.b.target.Traits()
}

// isSenders reports whether an error means that the sender of a message has
// asked for what can't be done; otherwise the other side is in trouble.
func isSenders(err error) bool {
	return errors.Is(err, parley.ErrNotRepresentable) || errors.Is(err, parley.ErrTooLarge)
}

// tell sends a oneline client an error as a line. Bridge.Timeout may be over
// already; that of the connection's writes bounds it.
func (p *pair) tell(err error) {
	defer p.due.Answered()
	p.client.Send(p.client.Context(), parley.Text(errorLine(err))) // if that fails the client has gone
}

// maxErrorLine keeps an error line readable.
const maxErrorLine = 300

// errorLine is an error as one line of text.
func errorLine(err error) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, "error: "+strings.ReplaceAll(err.Error(), "parley: ", ""))
	if len(line) > maxErrorLine {
		line = strings.ToValidUTF8(line[:maxErrorLine], "") + "…"
	}
	return line
}

// expired is called when the answers to a command have not come in time. What
// comes now could be taken for the answer to the next command, so this is the
// end.
func (p *pair) expired() {
	err := fmt.Errorf("no answer within %v", p.b.Timeout.Round(time.Millisecond))
	p.log.Warn("the target does not answer", "error", err)
	p.tell(err)
	p.client.Close()
}
