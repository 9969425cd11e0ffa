// Package doctor is the room of parley doctor: what it does on the way to a peer, and
// how it tells it; internal/doctor recognises the protocol.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/doctor"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func Command(a *app.App) *cobra.Command {
	var speak bool
	var listen time.Duration
	cmd := &cobra.Command{
		Use:   "doctor URL",
		Short: "Find out what is wrong with an address, and what a peer speaks",
		Long: `Looks the name up, connects, does TLS, and listens for what the peer says by
itself. Each step is told with its time. In the end it prints the command to use.

URL may be HOST:PORT. Most devices and servers are silent until they are asked:
with --speak, and only then, doctor says three things, each on a connection of its
own and told before it is sent: "ping", which a oneline server answers, "*IDN?",
which an instrument answers, and FF, tinyproto's hello. An instrument may find
"ping" among its errors. Without --speak nothing is sent: still, an original
socket-oneline server does not like a client that leaves without a word.

Exit code 0: it is known what the peer speaks, and it is what the URL says, if it
says something. 1: it is not. 3: no connection. 6: no TLS.`,
		Example: `  parley doctor psu:5025
  parley doctor scpi://psu --speak`,
		ValidArgsFunction: a.CompleteURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if listen <= 0 {
				return fault.Usagef("--listen %v: want more than 0", listen)
			}
			known := true
			if len(args) == 1 && !strings.Contains(args[0], "://") && !endpoint.IsVISA(args[0]) && a.ProfileURL == "" {
				if _, err := endpoint.Parse(args[0]); err != nil {
					args, known = []string{"line://" + args[0]}, false
				}
			}
			e, rest, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fault.Usagef("doctor takes one URL, got %q too", rest[0])
			}
			return examine(cmd.Context(), a, e, known, speak, listen)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&speak, "speak", false, "say a few words if the peer is silent")
	f.DurationVar(&listen, "listen", 1500*time.Millisecond, "wait `TIME` for the peer's first words")
	a.DialTLSFlags(cmd)
	return cmd
}

// examine examines e. known says that its protocol was given.
func examine(ctx context.Context, a *app.App, e endpoint.Endpoint, known, speak bool, listen time.Duration) error {
	if err := lookUpName(ctx, a, e); err != nil {
		return err
	}
	d, err := a.Dialer(e)
	if err != nil {
		return err
	}
	begun := time.Now()
	nc, err := a.Connect(ctx, e)
	if err != nil {
		return err
	}
	tell(a, "connected to %s from %s in %v", nc.RemoteAddr(), nc.LocalAddr(), took(begun))
	if d.TLSConfig != nil {
		if nc, err = doctorTLS(ctx, a, e, nc, d.TLSConfig); err != nil {
			return err
		}
	}
	first := nc // is for the first try
	p := &doctor.Peer{Listen: listen, Quiet: min(listen, 300*time.Millisecond),
		Tell: func(s string) { tell(a, "%s", s) },
		Dial: func(ctx context.Context) (net.Conn, error) {
			if nc := first; nc != nil {
				first = nil
				return nc, nil
			}
			return a.Secured(ctx, e, d.TLSConfig)
		}}
	f, err := p.Examine(ctx, speak)
	if err != nil {
		return err
	}
	return tellFinding(a, e, f, known, speak)
}

// tell tells what is being done, or was.
func tell(a *app.App, format string, args ...any) {
	fmt.Fprintf(a.Stdout, "%s\n", terminal.Visible(fmt.Sprintf(format, args...)))
}

func took(begun time.Time) time.Duration { return time.Since(begun).Round(10 * time.Microsecond) }

// lookUpName tells the addresses of the host's name.
func lookUpName(ctx context.Context, a *app.App, e endpoint.Endpoint) error {
	host, _, err := net.SplitHostPort(e.Addr)
	if err != nil || net.ParseIP(host) != nil {
		return nil // a path, a serial port or an address
	}
	begun := time.Now()
	ctx, cancel := app.Bounded(ctx, a.Timeout, app.DefaultDial)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return diagnose.NotConnected(e, err)
	}
	tell(a, "%s is %s, found in %v", host, strings.Join(addrs, ", "), took(begun))
	return nil
}

// doctorTLS does the handshake on a connection and tells of it.
func doctorTLS(ctx context.Context, a *app.App, e endpoint.Endpoint, nc net.Conn, config *tls.Config) (net.Conn, error) {
	begun := time.Now()
	t := tls.Client(nc, app.WithServerName(config, e))
	ctx, cancel := app.Bounded(ctx, a.Timeout, app.DefaultDial)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, diagnose.NoTLS(e, err)
	}
	st := t.ConnectionState()
	who := "nobody"
	if len(st.PeerCertificates) > 0 {
		cert := st.PeerCertificates[0]
		who = fmt.Sprintf("%s, valid until %s", cert.Subject, cert.NotAfter.UTC().Format("2006-01-02"))
	}
	tell(a, "%s in %v, the certificate is of %s", tls.VersionName(st.Version), took(begun), who)
	return t, nil
}

// tellFinding tells what was found, and what to do.
func tellFinding(a *app.App, e endpoint.Endpoint, f doctor.Finding, known, speak bool) error {
	const most = 200
	if len(f.Heard) > 0 {
		tell(a, "it says %s", wording.Cut(fmt.Sprintf("%q", f.Heard[:min(len(f.Heard), most)]), most))
	}
	name := e.Protocol.Name()
	switch {
	case f.Closed && f.Speaks == "":
		return errors.New("the peer closes without a word: it serves somebody else, refuses this address, or wants TLS")
	case f.Speaks == "" && len(f.Heard) > 0:
		return errors.New("nobody here knows what that is: frame:// can be told how its messages are framed")
	case f.Speaks == "" && !speak:
		return errors.New("the peer is silent, as most are until they are asked: --speak asks")
	case f.Speaks == "":
		return errors.New("the peer answers nothing: a oneline server serves one client at a time, and serpy, serpy2 and frame speak only when they have something to say")
	case f.Speaks == "telnet":
		return errors.New("the peer speaks telnet, which is not spoken here; many such devices have a raw port beside it")
	case !slices.Contains(endpoint.Names(), f.Speaks):
		hint := ""
		if f.Speaks == "TLS" {
			hint = ": write +tls behind the protocol"
		}
		return fmt.Errorf("the peer speaks %s%s", f.Speaks, hint)
	}
	found := urlFor(e, f.Speaks) + f.Query
	tell(a, "it speaks %s; use:", f.Speaks)
	switch f.Speaks {
	case "scpi", "line", "oneline":
		tell(a, "  parley ask '%s' '*IDN?'", found)
	default:
		tell(a, "  parley connect '%s'", found)
	}
	same := f.Speaks == name || name == "scpi" && f.Speaks == "line" || name == "line" && f.Speaks == "scpi"
	if known && !same {
		return fmt.Errorf("that is not %s, as the address says", name)
	}
	return nil
}

// urlFor is the URL of e with another protocol and without options.
func urlFor(e endpoint.Endpoint, protocol string) string {
	text := e.String()
	_, rest, _ := strings.Cut(text, "://")
	scheme, _, _ := strings.Cut(text, "://")
	_, transport, more := strings.Cut(scheme, "+")
	if more {
		protocol += "+" + transport
	}
	rest, _, _ = strings.Cut(rest, "?")
	return protocol + "://" + rest
}
