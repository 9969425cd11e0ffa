package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// speaker is what send needs of a Conn or a Client.
type speaker interface {
	Send(context.Context, parley.Message) error
	Confirm(context.Context, parley.Message) error
	Receive(context.Context) (parley.Message, error)
	Close() error
}

// sayFirst makes d send the preamble on every new connection.
func sayFirst(d *parley.Dialer, preamble []string, kind string) error {
	var messages []parley.Message
	for _, p := range preamble {
		if p == "-" {
			return usagef("--preamble -: standard input can't be used here; text:- sends a -")
		}
		m, err := parseMessage(p, kind)
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

// reach connects to e: once, or with o.reconnect again and again; then the
// Conn is nil.
func reach(ctx context.Context, a *app, e endpoint.Endpoint, o sendOptions, onState func(parley.State, error)) (speaker, *parley.Conn, error) {
	client := a.client(e)
	client.OnState = onState
	d := &client.Dialer
	if err := a.configure(d, e); err != nil {
		return nil, nil, err
	}
	if err := sayFirst(d, o.preamble, o.in.kind); err != nil {
		return nil, nil, err
	}
	d.Hooks.OnBanner = func(_ *parley.Conn, line []byte) { // it is for people, as all of stderr
		visibleTo(a.stderr).Write(append(line[:len(line):len(line)], '\n'))
	}
	if o.reconnect {
		a.queued.add(d, e)
		client.Start()
		return client, nil, nil
	}
	conn, err := a.dial(ctx, e, d)
	return conn, conn, err
}

// leave closes what reach has returned and adds to err what is known.
func leave(peer speaker, conn *parley.Conn, err error) error {
	cerr := peer.Close()
	if err == nil {
		err = cerr
	}
	if err == errLeave {
		err = nil
	}
	if conn != nil {
		err = explain(conn, err)
	}
	return err
}

// reportState returns a function that tells the state of a client on stderr:
// that it is connected, and the first reason why it is not any longer.
func reportState(a *app) func(parley.State, error) {
	lost := false
	return func(s parley.State, err error) {
		switch {
		case s == parley.StateConnected:
			fmt.Fprintln(a.stderr, "connected")
			lost = false
		case s == parley.StateWaiting && !lost:
			fmt.Fprintf(a.stderr, "not connected, trying again: %v\n", reason(err))
			lost = true
		}
	}
}

// reason returns err, which may be nil, without what its reader knows.
func reason(err error) error {
	var op *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &op) && op.Op == "dial":
		return op.Err
	}
	return bare(err)
}

// errLeave is what /quit asks for.
var errLeave = errors.New("quit")
