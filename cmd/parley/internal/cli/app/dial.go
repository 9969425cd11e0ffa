package app

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
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/serial"
)

// DefaultDial is the longest wait for a connection, and for TLS.
const DefaultDial = 5 * time.Second

// DialFlags adds the flags of a command that connects.
func (a *App) DialFlags(cmd *cobra.Command) {
	a.DialTLSFlags(cmd)
	a.ConnLimitFlags(cmd)
}

// Dialer returns what connects to e, as the flags say.
func (a *App) Dialer(e endpoint.Endpoint) (*parley.Dialer, error) {
	d := &parley.Dialer{}
	return d, a.Configure(d, e)
}

// Configure sets the fields of a dialer that the flags decide: that of a
// parley.Client, for instance.
func (a *App) Configure(d *parley.Dialer, e endpoint.Endpoint) (err error) {
	if name, ok := e.Inherited(); ok {
		return fault.Usagef("%s: a socket that was inherited is for listening; write the address to connect with in the place of +fd and %s", e, name)
	}
	if _, port, err := net.SplitHostPort(e.Addr); err == nil && strings.Trim(port, "0") == "" {
		return fault.Usagef("%s: port 0 is for listening, where it takes a free port: write the peer's port", e)
	}
	d.Protocol = e.Protocol
	d.Limits = a.Limits.Conn()
	d.Timeouts = a.dialing()
	d.Budget = a.Memory.Budget()
	d.Logger = a.Log
	d.Trace = a.Tracer()
	if _, port := e.Serial(); port {
		d.NetDial = serial.Dial
	}
	if e.TLS {
		d.TLSConfig, err = a.TLS.client()
	} else if len(a.TLS.Pins) > 0 {
		err = fault.Usagef("--pin: %s has no certificate: write +tls behind the protocol", e)
	}
	return err
}

// Dial connects to e. d comes from dialer, perhaps with a handler and hooks.
// It does the steps of d.Dial one by one, so that an error tells in which it
// happened, what had arrived, and what to do. Errors of the connection later
// on are explained by explain.
func (a *App) Dial(ctx context.Context, e endpoint.Endpoint, d *parley.Dialer) (*parley.Conn, error) {
	nc, err := a.Secured(ctx, e, d.TLSConfig)
	if err != nil {
		return nil, err
	}
	h := &diagnose.Heard{Conn: nc}
	c, err := d.NewConn(ctx, h)
	if err != nil {
		if h.Arrived().Total == 0 {
			a.Queued.Add(d, e)
		}
		return nil, diagnose.NoGreeting(e, h, err)
	}
	return c, nil
}

// Secured connects, with TLS if there is a configuration.
func (a *App) Secured(ctx context.Context, e endpoint.Endpoint, config *tls.Config) (net.Conn, error) {
	nc, err := a.Connect(ctx, e)
	if err != nil || config == nil {
		return nc, err
	}
	t := tls.Client(nc, WithServerName(config, e))
	ctx, cancel := Bounded(ctx, cmp.Or(a.Limits.Fine.timeouts.Handshake, a.Timeout), DefaultDial)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, diagnose.NoTLS(e, err)
	}
	return t, nil
}

// Connect makes the bare connection.
func (a *App) Connect(ctx context.Context, e endpoint.Endpoint) (net.Conn, error) {
	network, addr := "tcp", e.Addr
	if path, ok := e.Unix(); ok {
		network, addr = "unix", path
	}
	alive := cmp.Or(a.Limits.Fine.timeouts.KeepAlive, 15*time.Second)
	dial := (&net.Dialer{KeepAlive: alive, KeepAliveConfig: net.KeepAliveConfig{Enable: alive > 0, Idle: alive, Interval: alive, Count: 4}}).DialContext
	if _, port := e.Serial(); port {
		dial = serial.Dial
	}
	dctx, cancel := Bounded(ctx, cmp.Or(a.Limits.Fine.timeouts.Dial, a.Timeout), DefaultDial)
	defer cancel()
	nc, err := dial(dctx, network, addr)
	if err != nil {
		return nil, diagnose.NotConnected(e, err)
	}
	return nc, nil
}

func WithServerName(c *tls.Config, e endpoint.Endpoint) *tls.Config {
	c = c.Clone()
	if _, unix := e.Unix(); !unix {
		c.ServerName, _, _ = net.SplitHostPort(e.Addr)
	} else {
		c.ServerName = "localhost"
	}
	return c
}

// Target splits the arguments of a command into the endpoint and the rest. The
// endpoint is the first argument, or the profile's.
func (a *App) Target(cmd *cobra.Command, args []string) (endpoint.Endpoint, []string, error) {
	url, rest, err := a.targetURL(cmd, args)
	if err != nil {
		return endpoint.Endpoint{}, nil, err
	}
	e, err := endpoint.Parse(url)
	if err != nil {
		return e, nil, fault.AsUsage(err)
	}
	return e, rest, nil
}

func (a *App) targetURL(cmd *cobra.Command, args []string) (url string, rest []string, err error) {
	explicit := cmd.Flags().Changed("profile") // and not from the environment
	switch {
	case explicit && a.ProfileURL == "":
		return "", nil, fault.Usagef("profile %s has no url", a.profile)
	case explicit, a.ProfileURL != "" && (len(args) == 0 || !LooksLikeURL(args[0])):
		return a.ProfileURL, args, nil
	case len(args) == 0:
		return "", nil, fault.Usagef("an address is missing\n  usage: %s", cmd.UseLine())
	}
	return args[0], args[1:], nil
}

// LooksLikeURL reports whether an argument is meant as an address: a URL, or a VISA
// resource.
func LooksLikeURL(arg string) bool {
	if endpoint.IsVISA(arg) {
		return true
	}
	scheme, _, ok := strings.Cut(arg, "://")
	name, _, _ := strings.Cut(scheme, "+")
	return ok && slices.Contains(endpoint.Names(), name)
}

// Client returns a client that connects to e again and again. The caller
// configures its Dialer.
func (a *App) Client(e endpoint.Endpoint) *parley.Client {
	c := &parley.Client{
		Addr:       e.Addr,
		MinBackoff: 500 * time.Millisecond,
		MaxBackoff: 30 * time.Second,
	}
	c.OnState = func(s parley.State, err error) {
		if s == parley.StateWaiting { // the Dialer's logger knows for whom it is
			cmp.Or(c.Dialer.Logger, a.Log).Warn("not connected, trying again", "url", e, "reason", err)
		}
	}
	return c
}

// Targets returns the endpoints of all arguments, or the profile's.
func (a *App) Targets(cmd *cobra.Command, args []string) ([]endpoint.Endpoint, error) {
	first, rest, err := a.Target(cmd, args)
	if err != nil {
		return nil, err
	}
	es := []endpoint.Endpoint{first}
	for _, url := range rest {
		e, err := endpoint.Parse(url)
		if err != nil {
			return nil, fault.AsUsage(err)
		}
		es = append(es, e)
	}
	return es, nil
}

// Bounded returns a context that ends after d, or after def if d is zero.
func Bounded(ctx context.Context, d, def time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		d = def
	}
	if d < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
