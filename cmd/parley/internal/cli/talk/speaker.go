package talk

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// Speaker is what send needs of a Conn or a Client.
type Speaker interface {
	Send(context.Context, parley.Message) error
	Confirm(context.Context, parley.Message) error
	Receive(context.Context) (parley.Message, error)
	Close() error
}

// SayFirst makes d send the preamble on every new connection.
func SayFirst(d *parley.Dialer, preamble []string, kind string) error {
	var messages []parley.Message
	for _, p := range preamble {
		if p == "-" {
			return fault.Usagef("--preamble -: standard input can't be used here; text:- sends a -")
		}
		m, err := input.Parse(p, kind)
		if err != nil {
			return err
		}
		messages = append(messages, m)
	}
	if len(messages) > 0 {
		d.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
			for _, m := range messages {
				if err := c.Send(ctx, m); err != nil {
					return fmt.Errorf("--preamble: %w", err)
				}
			}
			return nil
		}
	}
	return nil
}

// Reach connects to e: once, or with o.reconnect again and again; then the
// Conn is nil.
func Reach(ctx context.Context, a *app.App, e endpoint.Endpoint, o Options, onState func(parley.State, error)) (Speaker, *parley.Conn, error) {
	client := a.Client(e)
	client.OnState = onState
	d := &client.Dialer
	if err := a.Configure(d, e); err != nil {
		return nil, nil, err
	}
	app.TellsLost(d)
	if err := SayFirst(d, o.Preamble, o.In.Kind); err != nil {
		return nil, nil, err
	}
	d.Hooks.OnBanner = func(_ *parley.Conn, line []byte) { // it is for people, as all of stderr
		terminal.VisibleTo(a.Stderr).Write(append(line[:len(line):len(line)], '\n'))
	}
	if o.Reconnect {
		a.Queued.Add(d, e)
		client.Start()
		return client, nil, nil
	}
	conn, err := a.Dial(ctx, e, d)
	return conn, conn, err
}

// Leave closes what reach has returned and adds to err what is known.
func Leave(peer Speaker, conn *parley.Conn, err error) error {
	cerr := peer.Close()
	if err == nil {
		err = cerr
	}
	if err == ErrLeave {
		err = nil
	}
	if conn != nil {
		err = diagnose.Explain(conn, err)
	}
	return err
}

// ReportState returns a function that tells the state of a client on stderr:
// that it is connected, and the first reason why it is not any longer.
func ReportState(a *app.App) func(parley.State, error) {
	lost := false
	return func(s parley.State, err error) {
		switch {
		case s == parley.StateConnected:
			fmt.Fprintln(a.Stderr, "connected")
			lost = false
		case s == parley.StateWaiting && !lost:
			fmt.Fprintf(a.Stderr, "not connected, trying again: %v\n", Reason(err))
			lost = true
		}
	}
}

// Reason returns err, which may be nil, without what its reader knows.
func Reason(err error) error {
	var op *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &op) && op.Op == "dial":
		return op.Err
	}
	return fault.Bare(err)
}

// ErrLeave is what /quit asks for.
var ErrLeave = errors.New("quit")
