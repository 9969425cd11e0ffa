package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/serial"
)

// defaultDial is the longest wait for a connection, and for TLS.
const defaultDial = 5 * time.Second

// dialFlags adds the flags of a command that connects.
func (a *app) dialFlags(cmd *cobra.Command) {
	a.dialTLSFlags(cmd)
	a.connLimitFlags(cmd)
}

// dialer returns what connects to e, as the flags say.
func (a *app) dialer(e endpoint.Endpoint) (*parley.Dialer, error) {
	d := &parley.Dialer{}
	return d, a.configure(d, e)
}

// configure sets the fields of a dialer that the flags decide: that of a
// parley.Client, for instance.
func (a *app) configure(d *parley.Dialer, e endpoint.Endpoint) (err error) {
	if name, ok := e.Inherited(); ok {
		return usagef("%s: a socket that was inherited is for listening; write the address to connect with in the place of +fd and %s", e, name)
	}
	if _, port, err := net.SplitHostPort(e.Addr); err == nil && strings.Trim(port, "0") == "" {
		return usagef("%s: port 0 is for listening, where it takes a free port: write the peer's port", e)
	}
	d.Protocol = e.Protocol
	d.Limits = a.limits.conn()
	d.Timeouts = a.dialing()
	d.Budget = a.memory.budget()
	d.Logger = a.log
	d.Trace = a.tracer()
	if _, port := e.Serial(); port {
		d.NetDial = serial.Dial
	}
	if e.TLS {
		d.TLSConfig, err = a.tls.client()
	} else if len(a.tls.pins) > 0 {
		err = usagef("--pin: %s has no certificate: write +tls behind the protocol", e)
	}
	return err
}

// dial connects to e. d comes from dialer, perhaps with a handler and hooks.
// It does the steps of d.Dial one by one, so that an error tells in which it
// happened, what had arrived, and what to do. Errors of the connection later
// on are explained by explain.
func (a *app) dial(ctx context.Context, e endpoint.Endpoint, d *parley.Dialer) (*parley.Conn, error) {
	nc, err := a.secured(ctx, e, d.TLSConfig)
	if err != nil {
		return nil, err
	}
	h := &heard{Conn: nc}
	c, err := d.NewConn(ctx, h)
	if err != nil {
		if h.arrived().total == 0 {
			a.queued.add(d, e)
		}
		return nil, greetingFault(e, h, err)
	}
	return c, nil
}

// secured connects, with TLS if there is a configuration.
func (a *app) secured(ctx context.Context, e endpoint.Endpoint, config *tls.Config) (net.Conn, error) {
	nc, err := a.connect(ctx, e)
	if err != nil || config == nil {
		return nc, err
	}
	t := tls.Client(nc, withServerName(config, e))
	ctx, cancel := bounded(ctx, cmp.Or(a.limits.fine.timeouts.Handshake, a.timeout), defaultDial)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, tlsFault(e, err)
	}
	return t, nil
}

// connect makes the bare connection.
func (a *app) connect(ctx context.Context, e endpoint.Endpoint) (net.Conn, error) {
	network, addr := "tcp", e.Addr
	if path, ok := e.Unix(); ok {
		network, addr = "unix", path
	}
	alive := cmp.Or(a.limits.fine.timeouts.KeepAlive, 15*time.Second)
	dial := (&net.Dialer{KeepAlive: alive, KeepAliveConfig: net.KeepAliveConfig{Enable: alive > 0, Idle: alive, Interval: alive, Count: 4}}).DialContext
	if _, port := e.Serial(); port {
		dial = serial.Dial
	}
	dctx, cancel := bounded(ctx, cmp.Or(a.limits.fine.timeouts.Dial, a.timeout), defaultDial)
	defer cancel()
	nc, err := dial(dctx, network, addr)
	if err != nil {
		return nil, connectFault(e, err)
	}
	return nc, nil
}

func withServerName(c *tls.Config, e endpoint.Endpoint) *tls.Config {
	c = c.Clone()
	if _, unix := e.Unix(); !unix {
		c.ServerName, _, _ = net.SplitHostPort(e.Addr)
	} else {
		c.ServerName = "localhost"
	}
	return c
}

// target splits the arguments of a command into the endpoint and the rest. The
// endpoint is the first argument, or the profile's.
func (a *app) target(cmd *cobra.Command, args []string) (endpoint.Endpoint, []string, error) {
	url, rest, err := a.targetURL(cmd, args)
	if err != nil {
		return endpoint.Endpoint{}, nil, err
	}
	e, err := endpoint.Parse(url)
	if err != nil {
		return e, nil, asUsage(err)
	}
	return e, rest, nil
}

func (a *app) targetURL(cmd *cobra.Command, args []string) (url string, rest []string, err error) {
	explicit := cmd.Flags().Changed("profile") // and not from the environment
	switch {
	case explicit && a.profileURL == "":
		return "", nil, usagef("profile %s has no url", a.profile)
	case explicit, a.profileURL != "" && (len(args) == 0 || !looksLikeURL(args[0])):
		return a.profileURL, args, nil
	case len(args) == 0:
		return "", nil, usagef("an address is missing\n  usage: %s", cmd.UseLine())
	}
	return args[0], args[1:], nil
}

// looksLikeURL reports whether an argument is meant as an address: a URL, or a VISA
// resource.
func looksLikeURL(arg string) bool {
	if endpoint.IsVISA(arg) {
		return true
	}
	scheme, _, ok := strings.Cut(arg, "://")
	name, _, _ := strings.Cut(scheme, "+")
	return ok && slices.Contains(endpoint.Names(), name)
}

// client returns a client that connects to e again and again. The caller
// configures its Dialer.
func (a *app) client(e endpoint.Endpoint) *parley.Client {
	return &parley.Client{
		Addr:       e.Addr,
		MinBackoff: 500 * time.Millisecond,
		MaxBackoff: 30 * time.Second,
		OnState: func(s parley.State, err error) {
			if s == parley.StateWaiting {
				a.log.Warn("not connected, trying again", "url", e, "reason", err)
			}
		},
	}
}

// targets returns the endpoints of all arguments, or the profile's.
func (a *app) targets(cmd *cobra.Command, args []string) ([]endpoint.Endpoint, error) {
	first, rest, err := a.target(cmd, args)
	if err != nil {
		return nil, err
	}
	es := []endpoint.Endpoint{first}
	for _, url := range rest {
		e, err := endpoint.Parse(url)
		if err != nil {
			return nil, asUsage(err)
		}
		es = append(es, e)
	}
	return es, nil
}
