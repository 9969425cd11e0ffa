package parley

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// config is what a Server or Dialer gives to each of its connections.
type config struct {
	protocol Protocol
	traits   wire.Traits
	role     wire.Role
	handler  Handler     // nil: messages wait for Receive
	serve    HandlerFunc // what handler does
	streams  StreamHandler
	stepwise bool // the program pulls messages and answers in their order
	hooks    Hooks
	plugins  []Plugin
	limits   Limits
	timeouts Timeouts
	patience session.Patience
	queue    queue        // that of the server, for who dials
	logger   *slog.Logger // nil: silent
	trace    func(Trace)
	budget   *Budget       // nil: none
	rules    session.Rules // for sessions: what follows from the others, see decide
	faults   *faults
	asked    func(*Conn) error // Server.OnShutdownRequest
	shutdown func(*Conn)       // honours a peer's request to end the server
	opened   func(*Conn)       // tells the server that OnOpen has agreed
	closed   func(*Conn)       // tells the server that the connection has ended
	tells    func(net.Conn) session.Vital

	epoch      time.Time // what times of connections count from
	activities sync.Pool // of connections at rest
}

// writeLimit is Timeouts.Write where that counts always, else 0.
func (cfg *config) writeLimit(v session.Vital) time.Duration {
	if cfg.patience.With(v, true).Write {
		return 0
	}
	return cfg.timeouts.Write
}

// decide makes the rules of what else is set.
func (cfg *config) decide() {
	cfg.rules = session.Rules{
		Name: cfg.protocol.Name(), Role: cfg.role, Traits: cfg.traits,
		MaxMessage: cfg.limits.MaxMessage, MaxStream: cfg.limits.MaxStream, MaxOutput: cfg.limits.MaxOutput, MaxInput: cfg.limits.MaxInput, MaxQueue: cfg.limits.MaxQueue, Turn: cfg.timeouts.Turn,
		MinRate: cfg.limits.MinRate, Handshake: cfg.timeouts.Handshake, Answer: cfg.timeouts.Answer, Progress: cfg.timeouts.Progress,
		Idle: cfg.timeouts.Idle, Stall: cfg.timeouts.Stall, KeepAlive: cfg.timeouts.KeepAlive, Patience: cfg.patience, Silence: wire.ExplainSilence(cfg.protocol),
		Handles: cfg.handler != nil, Streams: cfg.streams != nil, Stepwise: cfg.stepwise, Queues: cfg.queue.known, Unbounded: cfg.queue.unbounded, Traced: cfg.trace != nil,
	}
}

// setHandler takes h, nil if there is none.
func (cfg *config) setHandler(h Handler) {
	cfg.handler = h
	cfg.streams, _ = h.(StreamHandler)
	if f, ok := h.(HandlerFunc); ok {
		cfg.serve = f // without the method around it
	} else if h != nil {
		cfg.serve = h.ServeMessage
	}
}

// overwriteBorrowed gives the program copies of what it borrows, and overwrites them
// when it should have let go of them.
func (cfg *config) overwriteBorrowed() {
	if serve := cfg.serve; serve != nil {
		cfg.serve = func(ctx context.Context, c *Conn, m Message) error {
			lent := m.Clone()
			defer overwrite(lent.Bytes())
			return serve(ctx, c, lent)
		}
	}
	if hook := cfg.hooks.OnBanner; hook != nil {
		cfg.hooks.OnBanner = func(c *Conn, line []byte) {
			lent := bytes.Clone(line)
			defer overwrite(lent)
			hook(c, lent)
		}
	}
}

// overwrite makes it visible that b was kept without a copy.
func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// mistake returns what is wrong with s before it can start.
func (s *Server) mistake() error {
	if err := mistakeIn(s.Protocol, wire.Accepting, s.Handler, s.Plugins); err != nil {
		return err
	}
	switch tc := s.TLSConfig; {
	case s.Handler == nil && !s.Pull:
		return ErrNoHandler
	case tc != nil && !hasCertificate(tc): // or each client's handshake would fail
		return errors.New("parley: TLSConfig has no certificate: set Certificates, GetCertificate or GetConfigForClient")
	}
	return nil
}

func hasCertificate(tc *tls.Config) bool {
	return len(tc.Certificates) > 0 || tc.GetCertificate != nil || tc.GetConfigForClient != nil
}

// mistakeIn returns what is wrong with fields that a Server and a Dialer have alike: what
// would otherwise cost every connection.
func mistakeIn(p Protocol, role wire.Role, h Handler, plugins []Plugin) error {
	if p == nil {
		return ErrNoProtocol
	}
	if err := wire.Validate(p, role); err != nil {
		return err
	}
	if f, ok := h.(HandlerFunc); ok && f == nil {
		return errors.New("parley: Handler is a HandlerFunc of no function")
	}
	if len(plugins) > 0 && !p.Traits().Opaque {
		return ErrNoPlugins
	}
	for i, plugin := range plugins {
		if plugin == nil {
			return fmt.Errorf("parley: Plugins[%d] is nil", i)
		}
	}
	return nil
}
