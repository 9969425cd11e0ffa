// Package tap is the room of parley tap: what a proxy saw, printed, recorded, kept and
// captured; internal/tap is the proxy and its decoders.
package tap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/tap"
	"github.com/parley-net/parley/internal/handshake"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/serial"
)

// tapOptions are the flags of tap.
type tapOptions struct {
	out      output.Flags
	cut      int
	record   string
	store    string
	pcapng   string
	force    bool
	count    int
	maxConns int
	drain    time.Duration
	rotate   rotation
	keep     int
}

func Command(a *app.App) *cobra.Command {
	var o tapOptions
	cmd := &cobra.Command{
		Use:   "tap URL TARGET",
		Short: "Pass connections on and show what is said",
		Long: `Listens on URL, connects every client to TARGET, and prints each message of both
sides, one per line: the number of the connection, > for the client or < for the
server, and the message as "parley send" takes it.

  #1 > *IDN?
  #1 < ACME,7

Every byte is passed on at once and unaltered, and so are the end of a direction
and a reset; a side that does not read holds up the other as it would without
tap. The messages are decoded from a copy. If that fails, or falls more than
64 MiB behind, or all unfinished messages hold more than three quarters of
--max-memory, a line on standard error says so and the traffic goes on.

TARGET is a URL of the same protocol, or HOST:PORT. URL and TARGET may differ in
+tls and +unix. The options in URL, such as ?eol=cr, are for the decoding; prompt,
skip and echo of line and scpi stand in TARGET's, as a device has them.

--record keeps the session in a file for "parley replay", see "parley help
recordings". --store keeps it in a store, where "parley find" finds it again and
"parley replay DB#N" plays it. --pcapng keeps it for Wireshark, without TLS. With
--rotate these files get successors, session-2.jsonl and so on, each complete in
itself; --keep bounds how many there are. With --json, "dir" is
c2s (client to server) or s2c.`,
		Example: `  parley tap scpi://:5026 10.0.0.7:5025 -t --rtt
  parley tap serpy://:6001 serpy+tls://bench:6000 --pin sha256:… --record session.jsonl
  parley tap tinyproto://:8089 localhost:8088 --pcapng session.pcapng --count 1`,
		ValidArgsFunction: a.CompleteURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, target, err := tapPlaces(a, cmd, args)
			if err != nil {
				return err
			}
			return runTap(cmd.Context(), a, at, target, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.record, "record", "", "keep the session in `FILE`, for replay")
	f.StringVar(&o.store, "store", "", "keep the session in the store `DB`, for find and replay")
	listen.AddMonitorFlag(a, cmd)
	f.Lookup("monitor").Usage = "with --store: show by HTTP at `[HOST:]PORT` whether what is said is kept: /readyz, /metrics"
	f.StringVar(&o.pcapng, "pcapng", "", "keep the bytes in `FILE`, for Wireshark")
	f.BoolVar(&o.force, "force", false, "overwrite these files")
	f.Var(&o.rotate, "rotate", "begin a new --record and --pcapng `WHEN` one has a size, as 100M, or an age, as 1h")
	f.IntVar(&o.keep, "keep", 0, "with --rotate: keep the newest `N` files of each and remove older ones (default all)")
	f.BoolVarP(&o.out.Time, "time", "t", false, "print the time in front")
	f.BoolVar(&o.out.Date, "date", false, "print the date and the time in front")
	f.BoolVarP(&o.out.Delta, "delta", "d", false, "print the seconds since the message before in front")
	f.BoolVar(&o.out.RTT, "rtt", false, "print the seconds since the last message of the other side in front: the round trip")
	f.BoolVar(&o.out.JSON, "json", false, "print messages as JSON, one object for each line")
	f.BoolVar(&o.out.Hex, "hex", false, "print the bytes of messages in hexadecimal")
	f.StringSliceVar(&o.out.Filter, "filter", nil, "print only messages of some `TYPES`: bytes, text, int, float, object, invalid")
	f.StringVar(&o.out.Grep, "grep", "", "print only messages whose text matches the regular expression `REGEXP`")
	o.out.AddShape(cmd)
	f.IntVar(&o.cut, "cut", 1024, "print at most `N` bytes of a message; 0: all of it")
	f.IntVarP(&o.count, "count", "n", 0, "end when `N` connections have ended (default never)")
	f.IntVar(&o.maxConns, "max-conns", 10_000, "at most `N` connections; more are reset")
	f.Var(&a.Limits.MaxMessage, "max-message", "show and record messages up to `SIZE` (default 64M)")
	f.Var(&a.Memory.Most, "max-memory", "most that the decoding of all connections holds, `SIZE` (default 256M)")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "wait at most `TIME` at the end for connections that are not quiet")
	a.DialTLSFlags(cmd)
	a.ListenTLSFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "hex")
	cmd.RegisterFlagCompletionFunc("filter", cobra.FixedCompletions(output.Types, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// tapPlaces returns where to listen and where to connect. A profile stands for
// the target.
func tapPlaces(a *app.App, cmd *cobra.Command, args []string) (at, target endpoint.Endpoint, err error) {
	if len(args) == 1 && a.ProfileURL != "" {
		args = append(args, a.ProfileURL)
	}
	if len(args) != 2 {
		return at, target, fault.Usagef("want a URL and a TARGET, got %d arguments\n  usage: %s", len(args), cmd.UseLine())
	}
	from, to := shareProtocol(args[0], args[1])
	if at, err = endpoint.Parse(from); err != nil {
		return at, target, fault.AsUsage(err)
	}
	if strings.Contains(args[0], "?") { // else its options are the target's
		if err := at.CheckListen(); err != nil {
			return at, target, fault.AsUsage(err)
		}
	}
	if target, err = endpoint.Parse(to); err != nil {
		return at, target, fault.AsUsage(err)
	}
	if at.Protocol.Name() != target.Protocol.Name() {
		return at, target, fault.Usagef("%s and %s: tap passes bytes on as they are, so both must be of one protocol; \"parley bridge\" translates", at, target)
	}
	at.Protocol = withDialog(at.Protocol, target.Protocol)
	if !reflect.DeepEqual(at.Protocol, target.Protocol) {
		return at, target, fault.Usagef("%s and %s have different options: one of them is enough", at, target)
	}
	return at, target, nil
}

// shareProtocol gives a target that is only a place the protocol of the URL, and
// each of the two the options of the other if it has none: one of them is enough.
func shareProtocol(from, to string) (string, string) {
	scheme, _, ok := strings.Cut(from, "://")
	if !ok {
		return from, to
	}
	name, _, _ := strings.Cut(scheme, "+")
	if !strings.Contains(to, "://") && !endpoint.IsVISA(to) {
		to = name + "://" + to
	}
	_, of, hasFrom := strings.Cut(from, "?")
	_, ot, hasTo := strings.Cut(to, "?")
	switch other, _, _ := strings.Cut(to, "://"); {
	case other != name && !strings.HasPrefix(other, name+"+"):
	case hasFrom && !hasTo:
		to += "?" + of
	case hasTo && !hasFrom:
		from += "?" + ot
	}
	return from, to
}

// withDialog returns the protocol of a listener with what only a target can have:
// its prompt, its banner and its echo.
func withDialog(at, target parley.Protocol) parley.Protocol {
	a, ok := at.(line.Protocol)
	if t, both := target.(line.Protocol); ok && both {
		a.Prompt, a.Skip, a.Echo = t.Prompt, t.Skip, t.Echo
		return a
	}
	return at
}

// tapBehind is how much the decoding may fall behind.
const tapBehind = 64 << 20

// runTap passes on and shows until ctx ends, or o.count connections have ended.
func runTap(ctx context.Context, a *app.App, at, target endpoint.Endpoint, o tapOptions) error {
	if o.cut < 0 || o.count < 0 || o.maxConns < 0 || o.keep < 0 {
		return fault.Usagef("--cut, --count, --max-conns and --keep can't be negative")
	}
	if err := o.rotate.check(o); err != nil {
		return err
	}
	out, err := output.NewPrinter(a, o.out)
	if err != nil {
		return err
	}
	memory := tapMemory{budget: a.Memory.Budget(), by: make(map[*tapped]int64)}
	p := &tap.Proxy{MaxConns: o.maxConns, MaxBehind: memory.behind(), Behind: func(more int) { memory.tell(int64(more)) }, Drain: o.drain}
	if p.Dial, err = tapDialer(a, target); err != nil {
		return err
	}
	if at.TLS {
		if p.Secure, err = tapSecure(a); err != nil {
			return err
		}
	}
	w := &tapWatch{a: a, o: o, at: at, out: out, tapped: make(map[uint64]*tapped), memory: memory, colour: terminal.HasColour(a.Stdout)}
	if err := w.open(); err != nil {
		return err
	}
	l, err := listenAt(a, at)
	if err != nil {
		w.close()
		return err
	}
	app.Arrivals(a.Log, p.Arrived)
	place := at.At(l.Addr()).String()
	end, err := a.Ready([]string{place}, func() {})
	if err != nil {
		l.Close()
		return errors.Join(err, w.close())
	}
	defer end()
	defer a.Memory.Watch()()
	listen.TellReady(a, place, listen.Everywhere(l.Addr()))
	ctx, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	context.AfterFunc(ctx, func() { a.Stopping(); close(told) })
	defer func() { cancel(); <-told }()
	w.enough = cancel
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, l) }()
	p.Watch(w.event, w.flush)
	return errors.Join(<-served, w.close())
}

// tapDialer returns what connects to the target.
func tapDialer(a *app.App, e endpoint.Endpoint) (func(context.Context) (net.Conn, error), error) {
	var d parley.Dialer
	if err := a.Configure(&d, e); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (net.Conn, error) { return a.Secured(ctx, e, d.TLSConfig) }, nil
}

// tapSecure returns what does TLS with a client.
func tapSecure(a *app.App) (func(context.Context, net.Conn) (net.Conn, error), error) {
	config, err := a.TLS.Server()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, nc net.Conn) (net.Conn, error) {
		ctx, cancel := app.Bounded(ctx, a.Timeout, app.DefaultDial)
		defer cancel()
		t, err := handshake.Server(ctx, nc, config)
		if err != nil {
			return nil, fmt.Errorf("TLS with the client: %w", err)
		}
		return t, nil
	}, nil
}

// listenAt listens where no parley.Server does.
func listenAt(a *app.App, e endpoint.Endpoint) (net.Listener, error) {
	if _, port := e.Serial(); port {
		l, err := serial.Listen(e.Addr)
		if err != nil {
			return nil, &fault.Error{Code: fault.Connect, Err: fmt.Errorf("can't listen on %s: %w", e, err)}
		}
		return l, nil
	}
	if l, err := a.Inherited(e.Addr); l != nil || err != nil {
		return l, err
	}
	network, addr := listen.Network(e.Addr), e.Addr
	path, unix := e.Unix()
	if unix {
		network, addr = "unix", path
	}
	l, err := net.Listen(network, addr)
	if unix && errors.Is(err, fault.AddrInUse) && listen.IsStale(path) {
		os.Remove(path)
		l, err = net.Listen(network, addr)
	}
	if err == nil {
		return l, nil
	}
	hint := ""
	if errors.Is(err, fault.AddrInUse) {
		hint = "another process listens there; port 0 takes a free one"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return nil, &fault.Error{Code: fault.Connect, Err: fmt.Errorf("can't listen on %s: %w", e, err), Hint: hint}
}
