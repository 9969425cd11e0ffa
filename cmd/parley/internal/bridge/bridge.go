// Package bridge joins clients that speak one wire with a target that speaks
// another. docs/bridge.md says what is carried how.
package bridge

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
)

// Bridge joins each client of a server with a target, by a connection of its
// own. Set the fields before Install; then do not change them.
type Bridge struct {
	Target Target
	// Answers is how many messages of the target answer one command of a
	// oneline client; AnyAnswers if that is not known.
	Answers int
	// Unsolicited says what happens to a message of the target that comes
	// when no command of a oneline client can be answered.
	Unsolicited Unsolicited
	// Forms, if not nil, lets wires that lack types have them, as text.
	Forms *Forms
	// Timeout bounds the wait for a confirmation, for the answers to a
	// command, and for a lost target to come back.
	Timeout time.Duration
	Log     *slog.Logger

	clients parley.Protocol // the wire of the clients
	target  parley.Protocol // that of the target
	accept  func()          // takes the connections that wait to be accepted
	open    targets
}

// AnyAnswers as Bridge.Answers means that any number of messages may answer a
// command: everything after a oneline client's first command is an answer.
const AnyAnswers = -1

// Unsolicited says what to do with what nobody has asked for.
type Unsolicited uint8

const (
	// CloseUnsolicited ends the connection on which it came.
	CloseUnsolicited Unsolicited = iota
	// DropUnsolicited throws it away and logs that.
	DropUnsolicited
	// QueueUnsolicited keeps it until the next command, which it answers.
	QueueUnsolicited
)

// Target is how to connect to the target.
type Target struct {
	Protocol parley.Protocol
	// Configure sets the fields of a dialer; the bridge sets Protocol and Hooks.
	Configure func(*parley.Dialer) error
	// Dial connects once. The loss of such a connection ends the client's too.
	Dial func(context.Context, *parley.Dialer) (*parley.Conn, error)
	// Client, if not nil, is used in place of Dial. It returns a client that
	// connects whenever it is necessary.
	Client func() *parley.Client
}

// Install makes srv, which has not started, the clients' side of the bridge.
// srv.Protocol is their wire.
func (b *Bridge) Install(srv *parley.Server) {
	b.clients, b.target = srv.Protocol, b.Target.Protocol
	if most := b.Target.Protocol.Traits().Clients; most > 0 {
		// The clients wait for each other as they would at the target.
		if own := srv.Protocol.Traits().Clients; own > 0 {
			most = min(most, own)
		}
		srv.MaxConns, srv.WhenFull = most, parley.FullWait
	}
	from, fromSerpy := b.clients.(serpy.Protocol)
	to, toSerpy := b.target.(serpy.Protocol)
	if fromSerpy && toSerpy {
		// Every message keeps its mode, and nobody looks into pickles.
		from.ForceMode, from.NoPickle, to.ForceMode, to.NoPickle = true, true, true, true
		b.clients, b.target = from, to
	}
	srv.Protocol = deferAck(b.clients)
	srv.Pull = true
	srv.Hooks.OnOpen = b.opened
	srv.Hooks.OnClose = b.closed
	b.accept = sync.OnceFunc(func() {
		go func() {
			for { // opened has them already
				if _, err := srv.Accept(context.Background()); err != nil {
					return
				}
			}
		}()
	})
}

// streams reports whether messages too large for memory are passed on piece by
// piece: where they are announced on both sides, stay as they are, and no
// checksum at the end could show too late that they were damaged.
func (b *Bridge) streams() bool {
	return b.clients.Name() == "tinyproto" && b.target.Name() == "tinyproto" && b.Forms == nil
}

// opened connects a new client with the target.
func (b *Bridge) opened(ctx context.Context, c *parley.Conn) error {
	p := &pair{b: b, client: c, log: b.Log.With("client", c.RemoteAddr(), "conn", c.ID()), ended: make(chan struct{})}
	if b.clients.Traits().Lockstep {
		p.correlator = newCorrelator(b.Answers)
	}
	if err := p.connect(ctx); err != nil {
		return err
	}
	pairs.Set(c, p)
	c.PeerClosed() // so that it stays open for answers
	b.accept()
	go p.serveClient()
	return nil
}

// closed waits until what a client has sent is on its way, and the connection
// with the target has ended too.
func (b *Bridge) closed(c *parley.Conn, _ error) {
	if p := pairs.Get(c); p != nil {
		<-p.ended
	}
}
