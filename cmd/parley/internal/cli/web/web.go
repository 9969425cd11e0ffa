// Package web is the room of parley web: devices and rooms for browsers, with users and
// TLS; package web is the door.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/archive"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/cli/keep"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/metrics"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/web"
	"github.com/parley-net/parley/web/dash"
)

// webOptions are the flags of web.
type webOptions struct {
	listen   string
	targets  []string
	rooms    []string
	users    string
	hosts    []string
	origins  []string
	insecure bool
	store    string
}

func Command(a *app.App) *cobra.Command {
	var o webOptions
	cmd := &cobra.Command{
		Use:   "web --listen [HOST:]PORT (--target NAME=URL | --room NAME)…",
		Short: "Let browsers talk to instruments and rooms",
		Long: `Serves pages, and one WebSocket for each page, through which it reaches the
targets that are named here and nothing else: instruments and servers, by URL,
and rooms. A target without a URL is a device that another machine has with
"parley bridge … --own NAME": what pages say to it goes to its owner. A page needs
no library:

  const t = await (await fetch("/ticket", {method: "POST"})).json()
  const ws = new WebSocket(location.origin.replace("http", "ws") + "/ws", "parley.v1")
  ws.onopen = () => {
    ws.send(JSON.stringify({op: "hello", ticket: t.ticket}))
    ws.send(JSON.stringify({op: "call", ref: 1, to: "psu1", text: "*IDN?"}))
  }
  ws.onmessage = e => console.log(e.data)

docs/protocol/web.md has every frame; /parley.js does it with reconnecting. The
page at / is a dashboard: what is said, plots, cameras, a console, who is in which
room and, with --store, recordings. /metrics, /healthz and /readyz are for
programs; with --users, /metrics wants a token with the scope admin for *.

HOST is 127.0.0.1 unless given: whoever is on this machine may do everything.
Elsewhere the door wants TLS (--cert, --key) and --users, or --insecure. Pages of
other sites may not come in unless their origin is listed. A target that is down
is no reason not to start.`,
		Example: `  parley web --listen 8080 --target psu1=scpi://10.0.0.7:5025 --room cam1
  parley web --listen 0.0.0.0:8443 --target cam=serpy2://camera:5005 --cert lab.pem --key lab.key --users users
  parley web --listen 8080 --target psu1 --room cam1 --join tls://lab1:7422 --secret-file secret
  parley web token anna --scope read --target cam >> users`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.insecure, a.TLS.Insecure = a.TLS.Insecure, false
			return serveWeb(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.listen, "listen", "", "serve at `[HOST:]PORT`; port 0 takes a free one")
	f.StringArrayVar(&o.targets, "target", nil, "let pages reach `NAME=URL`, or the device NAME that another machine has; again for more")
	f.StringArrayVar(&o.rooms, "room", nil, "let pages enter the room `NAME`; again for more")
	f.StringVar(&o.store, "store", "", "let pages look into the store `DB`: find, time line, export, replay")
	f.StringVar(&o.users, "users", "", "those who may come in, from `FILE`; parley web token makes its lines")
	f.StringSliceVar(&o.hosts, "host", nil, "the door is also reached under `HOST`")
	f.StringSliceVar(&o.origins, "origin", nil, "pages of `https://HOST` may come in too")
	a.DialFlags(cmd)
	f.Lookup("insecure").Usage = "serve others than this machine without TLS and without users" // not what it means where one connects
	a.OwnCertFlags(cmd)
	a.BusFlags(cmd)
	cmd.AddCommand(webTokenCmd(a))
	return cmd
}

func webTokenCmd(a *app.App) *cobra.Command {
	var scope string
	var targets []string
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for somebody who may come in",
		Long: `Prints the line for the file of --users, and the token itself on standard error:
it is shown once. A program sends it as "Authorization: Bearer TOKEN".`,
		Example: `  parley web token anna --scope read,send --target cam1 >> users`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := web.ParseScope(scope)
			if err != nil {
				return fault.Usagef("--scope: %w", err)
			}
			if strings.ContainsAny(args[0], " \t\n#") || args[0] == "" {
				return fault.Usagef("a name has no blanks: %q", args[0])
			}
			g := web.Grant{}
			for _, t := range targets {
				if strings.ContainsAny(t, " \t\n=") || t == "" {
					return fault.Usagef("--target %q: a target's name, or *", t)
				}
				g[t] = s
			}
			token, u := web.NewToken(args[0], g)
			fmt.Fprintln(a.Loud, token)
			fmt.Fprintln(a.Stdout, u)
			return nil
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "read", "`WHAT` it may do: read, send, kill, admin; several by commas")
	cmd.Flags().StringSliceVar(&targets, "target", []string{"*"}, "`NAME,…`: the targets it is for, * for all (default *)")
	cmd.Flags().Lookup("target").DefValue = "[]"
	return cmd
}

// serveWeb serves pages until ctx ends.
func serveWeb(ctx context.Context, a *app.App, o webOptions) (err error) {
	if o.listen == "" {
		return fault.Usagef("--listen is missing: the port to serve at, such as --listen 8080")
	}
	if len(o.targets)+len(o.rooms) == 0 {
		return fault.Usagef("--target NAME=URL or --room NAME is missing: what pages may reach")
	}
	addr, err := listen.MonitorAddr(o.listen)
	if err != nil {
		return fault.Usagef("--listen %s: %w", o.listen, err)
	}
	config, users, err := webSecurity(a, addr, o)
	if err != nil {
		return err
	}
	targets, owned, closeTargets, err := webTargets(a, o.targets)
	if err != nil {
		return err
	}
	defer closeTargets()
	m, err := join.Enter(ctx, a, o.rooms, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for _, name := range owned {
		d, err := m.Node.Device(name)
		if err != nil {
			return fault.AsUsage(err)
		}
		defer d.Close()
		targets = append(targets, web.NewOwned(name, d))
	}
	for _, r := range m.Rooms {
		targets = append(targets, web.NewRoom(r))
	}
	calls := new(listen.Calls)
	door, err := web.New(web.Options{Targets: targets, Users: users, Hosts: o.hosts, Origins: o.origins, Logger: a.Log, OnCall: calls.Add,
		Limits: listen.WebLimits(a, addr)})
	if err != nil {
		return fault.AsUsage(err)
	}
	d := listen.Dashboard{Door: door, Monitor: monitor.New(a.Version), Guarded: true, Info: dash.Info{Version: a.Version, Door: true,
		Pages: []dash.Page{dash.Overview, dash.Connections, dash.Messages, dash.Plot, dash.Camera, dash.Console}}}
	d.Monitor.Check(m.Ready)
	d.Monitor.Metrics(func(w *metrics.Writer) { listen.WriteDoor(w, door, calls) })
	if o.store != "" {
		db, err := keep.OpenStore(ctx, o.store)
		if err != nil {
			return err
		}
		defer db.Close()
		d.Store = archive.NewPages(db)
		d.Info.Pages = append(d.Info.Pages, dash.Recordings)
	}
	if len(m.Rooms) > 0 {
		d.Info.Pages = append(d.Info.Pages, dash.Rooms)
		rooms := listen.WatchRooms(m.Rooms)
		defer rooms.Close()
		d.Monitor.Metrics(rooms.Write)
	}
	l, err := listen.ForPages(a, "", addr)
	if err != nil {
		return err
	}
	l = limited(l, addr)
	scheme := "http"
	if config != nil {
		l, scheme = tls.NewListener(l, config), "https"
	}
	place := fmt.Sprintf("%s://%s", scheme, endpoint.Dialable(l.Addr().String()))
	end, err := a.Ready([]string{place}, func() {})
	if err != nil {
		l.Close()
		return err
	}
	defer end()
	srv := webServer(d.Handler(), a.Log)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	listen.TellReady(a, place, "")
	m.Tell(a, []string{place})
	defer settle(door)()
	defer a.Memory.Watch()()
	select {
	case <-ctx.Done():
		a.Stopping()
		d.Monitor.Draining()
	case err := <-ended:
		return err
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	door.Close(stop)
	return srv.Shutdown(stop)
}

// limited bounds the connections of a door, those included that have not said yet what
// they want: as many as there may be sockets, and some for pages and requests.
func limited(l net.Listener, addr string) net.Listener {
	const all, ofAddr = 2000 + 512, 256 + 64
	if listen.OnlyHere(addr) { // see listen.WebLimits
		return monitor.Limit(l, all, all)
	}
	return monitor.Limit(l, all, ofAddr)
}

// settle gives memory back to the system when many pages have come or gone and no more
// do, until the function that it returns is called.
func settle(door *web.Door) (stop func()) {
	const many = 50
	ended := make(chan struct{})
	go func() {
		t := time.NewTicker(app.MemoryLooks)
		defer t.Stop()
		turns := func() uint64 { s := door.Stats(); return 2*s.Opened - uint64(s.Open) } // who came and who went
		for given, last := uint64(0), uint64(0); ; {
			select {
			case <-t.C:
			case <-ended:
				return
			}
			now := turns()
			if now == last && now-given >= many {
				app.GiveBack()
				given = now
			}
			last = now
		}
	}()
	return func() { close(ended) }
}

// webServer serves pages: with bounds for everything that a client could hold up. Sockets
// and events are not bounded in time.
func webServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// webSecurity returns the TLS configuration and the users that the flags give, and refuses
// to serve others without them.
func webSecurity(a *app.App, addr string, o webOptions) (*tls.Config, web.Users, error) {
	var config *tls.Config
	var users web.Users
	if a.TLS.Cert != "" {
		var err error
		if config, err = a.TLS.Server(); err != nil {
			return nil, nil, err
		}
	}
	if o.users != "" {
		f, err := os.Open(o.users)
		if err != nil {
			return nil, nil, fault.Usagef("--users: %w", err)
		}
		defer f.Close()
		if users, err = web.ReadUsers(o.users, f); err != nil {
			return nil, nil, fault.Usagef("--users: %w", err)
		}
		if len(users) == 0 {
			return nil, nil, fault.Usagef("--users: there is nobody in %s; parley web token makes its lines", o.users)
		}
	}
	switch {
	case listen.OnlyHere(addr) || o.insecure:
	case config == nil:
		return nil, nil, fault.Usagef("--listen %s: others can reach it, so it wants TLS: --cert and --key (parley cert makes them), or --insecure", o.listen)
	case users == nil:
		return nil, nil, fault.Usagef("--listen %s: others can reach it, so it wants to know who they are: --users FILE (parley web token makes its lines), or --insecure", o.listen)
	}
	return config, users, nil
}

// webTargets returns the devices of --target, and what closes them; they connect when
// they are first used. owned are those without a URL, which other nodes have.
func webTargets(a *app.App, args []string) (targets []web.Target, owned []string, closeAll func(), err error) {
	var clients []*parley.Client
	closeAll = func() {
		for _, c := range clients {
			c.Close()
		}
	}
	var names []string
	for _, arg := range args {
		name, url, hasURL := strings.Cut(arg, "=")
		switch {
		case name == "" || strings.ContainsAny(name, " :/"):
			return nil, nil, nil, fault.Usagef("--target %q: want NAME=URL, such as psu1=scpi://10.0.0.7:5025", arg)
		case slices.Contains(names, name):
			return nil, nil, nil, fault.Usagef("--target %s is there twice", name)
		case !hasURL && !a.Bus.Any():
			return nil, nil, nil, fault.Usagef("--target %s: want NAME=URL, such as psu1=scpi://10.0.0.7:5025, or, for a device that another machine has with bridge --own %s, --hub, --join, --cluster or --bus", name, name)
		}
		names = append(names, name)
		if !hasURL {
			owned = append(owned, name)
			continue
		}
		e, err := endpoint.Parse(url)
		if err != nil {
			return nil, nil, nil, fault.Usagef("--target %s: %w", name, err)
		}
		c := a.Client(e)
		if err := a.Configure(&c.Dialer, e); err != nil {
			return nil, nil, nil, err
		}
		targets = append(targets, web.NewDevice(name, c))
		clients = append(clients, c)
	}
	return targets, owned, closeAll, nil
}
