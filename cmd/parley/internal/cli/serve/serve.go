// Package serve is the room of parley serve and of its simple modes: echo, relay, files
// and rooms; exec and replies are rooms of their own.
package serve

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/exec"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/replies"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/oneline"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	echo, relay   bool
	room          string
	keep          bool
	closeSlow     bool
	exec          exec.Options
	replies       replies.Options
	files         folderOptions
	allowShutdown bool
}

func Command(a *app.App) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve URL…",
		Short: "Serve clients: echo, relay, a program, a simulated device, or files",
		Long: `Listens on every URL and serves the clients as one of these flags says. Port 0
takes a free port; "listening on URL" on standard error tells which, when the
server is ready. SIGINT, SIGTERM and SIGHUP let everything under way end, then serve
ends; a second one, or SIGQUIT, ends it at once. With --replies SIGHUP reads the
file again. What nohup has started hears no SIGHUP. Whatever ends it, the programs
that it has started end with it.

--exec runs a program for each connection. Each message is a line on its
standard input, each line of its standard output is a message back; on oneline
it answers the latest command. It must not hold lines back: it has to flush each
one, or "stdbuf -oL" in front of it helps; Python is told by PYTHONUNBUFFERED=1. With
--format jsonl the lines are JSON, with
types, bytes in base64 and oneline's invalid flag. What it writes to standard
error goes to the log, at most 100 lines a second of all programs. A line it prints may be as
long as a message of --max-message, 16 MiB without it. When the client ends its
stream (as printf | ncat does), its standard input is closed behind the last message;
what it prints then still leaves, for at most --half-close. When the client has gone,
or the server ends, it gets SIGTERM if it has not ended after --grace, and after the
same time again, at most 0.6s, SIGKILL, together with all that it
has started, except what has left its process group (setsid, a daemon). On
oneline it must not speak before the first command.

A server that is killed takes its programs with it on Linux, not what these have
started. Half of --max-procs is for others than one address.

With --shared one program serves all connections: "conn" in the lines it gets is
the connection, "dir" is open, in, end or close; a line of its own goes to the
connection that "conn" names, without one to all, and {"conn":1,"dir":"close"} closes
connection 1. After "end" the client says nothing more: its connection closes when
each of its messages has a line, and no more have come for twice as long as the
slowest took, at the latest after --half-close. It reads them in turns: a
connection that has 64 KiB waiting for it is not read. Whoever leaves more than 8
MiB of its answers untaken is cut; others do not wait for that. A line that is
too long is lost, not the program.

--replies plays a device from a TOML file, see "parley help replies".

--files is a file server for "parley put" and "parley get", and for the original
tpft: on tinyproto, default port 8088. Nothing outside of the folder can be
reached. It is read-only without --writable, and no file is replaced without
--force. Uploads are held beside their destination, with ".parley.part" behind
the name, until they are complete. Everyone who can connect can read the folder:
see "parley help tls" for --client-ca. Clients that stand still for 5 minutes
are closed (--idle), and --max-message has no meaning.

With --hub, --join, --cluster or --bus the server is a node: it shares its room with
those of other machines, and "parley nodes" lists it. "parley help beyond" has more.

A oneline client may end the server with "shutdown". That is honoured where
only this machine can connect, on loopback and Unix sockets, elsewhere only with
--allow-shutdown; the ready line tells.`,
		Example: `  parley serve oneline://:5001 --echo
  parley serve tinyproto://:8088 tinyproto+unix:///run/chat.sock --relay
  parley serve line://:5001 --exec 'python3 device.py'
  parley serve scpi://:5025 --replies psu.toml
  parley serve tinyproto://:8088 --files /srv/data --writable`,
		ValidArgsFunction: a.CompleteURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			places, err := a.Targets(cmd, args)
			if err != nil {
				return err
			}
			if err := app.Named(cmd, "room", "node"); err != nil {
				return err
			}
			mode, err := modeOf(cmd.Context(), a, o, places)
			if err != nil {
				return err
			}
			return serveAll(cmd.Context(), a, places, mode, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.echo, "echo", false, "send every message back")
	f.BoolVar(&o.relay, "relay", false, "send every message to all other connections, of all URLs")
	f.StringVar(&o.room, "room", "", "with --relay: they are in the room `NAME`, which pages of --monitor and other nodes can enter")
	f.BoolVar(&o.keep, "keep", false, "with --room: keep what is said until \"parley record room:NAME\" has it")
	f.StringVar(&o.exec.Command, "exec", "", "run `'CMD ARGS'` for each connection")
	o.replies.Add(cmd)
	f.StringVar(&o.files.dir, "files", "", "serve the files of `DIR`")
	cmd.MarkFlagsOneRequired("echo", "relay", "exec", "replies", "files")
	cmd.MarkFlagsMutuallyExclusive("echo", "relay", "exec", "replies", "files")
	o.files.add(cmd)
	f.BoolVar(&o.closeSlow, "close-slow", false, "with --relay: close a connection that reads too slowly (default: it misses messages)")
	o.exec.Add(cmd)
	f.BoolVar(&o.allowShutdown, "allow-shutdown", false, "honour a oneline client's shutdown everywhere")
	listen.AddFlags(a, cmd)
	a.BusFlags(cmd)
	return cmd
}

// modeOf returns the way to serve that the flags choose.
func modeOf(ctx context.Context, a *app.App, o serveOptions, places []endpoint.Endpoint) (listen.Mode, error) {
	if o.replies.File == "" && o.replies != (replies.Options{}) {
		return listen.Mode{}, fault.Usagef("--device, --fault and --watch are for --replies")
	}
	switch {
	case o.room != "" && !o.relay:
		return listen.Mode{}, fault.Usagef("--room is for --relay")
	case o.keep && (o.room == "" || !a.Bus.Any()):
		return listen.Mode{}, fault.Usagef("--keep is for a --room of several machines: --hub, --join, --cluster or --bus says how they are joined")
	case o.room != "":
		m, err := join.Enter(ctx, a, []string{o.room}, o.keep)
		if err != nil {
			return listen.Mode{}, err
		}
		return roomMode(a, m, o.closeSlow), nil
	case a.Bus.Any():
		m, err := join.Enter(ctx, a, nil, false)
		if err != nil {
			return listen.Mode{}, err
		}
		mode, err := plainMode(ctx, a, o, places)
		if err != nil {
			m.Close()
			return mode, err
		}
		with := m.Company(a)
		with.Transfers = mode.With.Transfers
		mode.With = with
		end := mode.End
		mode.End = func() error {
			if end == nil {
				return m.Close()
			}
			return errors.Join(end(), m.Close())
		}
		return mode, nil
	}
	if err := a.Bus.Check(); err != nil {
		return listen.Mode{}, err
	}
	return plainMode(ctx, a, o, places)
}

// plainMode returns the way to serve of those that know of no others.
func plainMode(ctx context.Context, a *app.App, o serveOptions, places []endpoint.Endpoint) (listen.Mode, error) {
	switch {
	case o.relay:
		r := &relay{closeSlow: o.closeSlow}
		return listen.Mode{Serve: r.serve}, nil
	case o.exec.Command != "":
		return exec.Mode(ctx, a, o.exec)
	case o.replies.File != "":
		return replies.Mode(a, o.replies, places)
	case o.files.dir != "":
		return filesMode(a, o.files)
	}
	return listen.Mode{Serve: echo}, nil
}

// serveAll listens everywhere and serves.
func serveAll(ctx context.Context, a *app.App, places []endpoint.Endpoint, mode listen.Mode, o serveOptions) (err error) {
	if mode.End != nil {
		defer func() {
			if endErr := mode.End(); err == nil {
				err = endErr
			}
		}()
	}
	var ls []listen.Listener
	for _, e := range places {
		srv, err := listen.NewServer(a, e)
		if err != nil {
			return err
		}
		if err := mode.Serve(&e, srv); err != nil {
			return err
		}
		l := listen.Listener{At: e, Server: srv}
		if e.Protocol.Name() == "oneline" {
			srv.IgnoreShutdownRequest = !o.allowShutdown && !listen.IsLocal(e)
			l.Note = "a client's shutdown ends the server"
			if srv.IgnoreShutdownRequest {
				l.Note = "a client's shutdown is ignored: --allow-shutdown honours it"
			}
		}
		ls = append(ls, l)
	}
	return listen.Serve(ctx, a, ls, mode.With)
}

// onward returns m as it can be handed on: a oneline command that is no valid
// text keeps all its bytes.
func onward(m parley.Message) parley.Message {
	if oneline.Invalid(m) {
		return parley.Bytes(m.Bytes())
	}
	return m
}

// echo is the mode that sends every message back.
func echo(e *endpoint.Endpoint, srv *parley.Server) error {
	listen.AsIs(e, srv)
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.Send(ctx, onward(m))
	})
	return nil
}

// relay is the mode that sends every message to all other connections.
type relay struct {
	closeSlow bool
	servers   []*parley.Server
}

func (r *relay) serve(e *endpoint.Endpoint, srv *parley.Server) error {
	if e.Protocol.Traits().Clients == 1 {
		return fault.Usagef("--relay: a %s server serves one client at a time, so there is nobody to relay to", e.Protocol.Name())
	}
	listen.AsIs(e, srv)
	if r.closeSlow {
		srv.WhenSlow = parley.SlowCut
	}
	srv.Handler = r
	r.servers = append(r.servers, srv)
	return nil
}

// ServeMessage sends m to all others. Between different wires some messages
// have no form at the other side: then the sender's connection ends.
func (r *relay) ServeMessage(_ context.Context, c *parley.Conn, m parley.Message) error {
	for _, s := range r.servers {
		if _, err := s.Broadcast(m, c); err != nil {
			return err
		}
	}
	return nil
}
