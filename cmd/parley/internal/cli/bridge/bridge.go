// Package bridge is the room of parley bridge, also with --own, where one node at a
// time has the device; internal/bridge translates.
package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/bridge"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// bridgeOptions are the flags of bridge.
type bridgeOptions struct {
	answers       int
	unsolicited   string
	typed         bool
	reconnect     bool
	allowShutdown bool
	ahead         bool
	own, room     string
}

func Command(a *app.App) *cobra.Command {
	var o bridgeOptions
	cmd := &cobra.Command{
		Use:   "bridge URL TARGET",
		Short: "Listen on one protocol and forward to another",
		Long: `Listens at URL and joins each client with a connection of its own to TARGET, in
both directions. Types are kept where both protocols have them: text, bytes, ints,
floats, pickled objects. Otherwise numbers become text, text becomes bytes, and
bytes that are text become text. What can't be carried is an error to its
sender: an error line to a oneline client, to others the end of the connection,
with the reason in the log. docs/bridge.md has the whole table.

oneline, line and scpi carry text only, tinyproto and frame bytes only. With --typed their messages
may have their types in front, as those of "parley send" do (int:5, float:1.5,
b64:AP8=, json:[1]), and what comes for them is written so.

A oneline server speaks only in answer. When URL is oneline, all that TARGET
sends after the first command answers the latest one; with --answers N each
command has exactly N answers and the next one waits for them. What comes
without a command is unsolicited and ends the connection, unless --unsolicited
says to drop it or to queue it for the next command. A oneline TARGET serves one
client at a time, and so does the bridge then.

A serpy message is acknowledged when TARGET has confirmed it or, on a protocol that
has no confirmations, when it is on its way.

On tinyproto, on either side, the bridge takes turns, as "parley send" does, as
an original peer does not survive that messages cross; --ahead does without.

A client that has ended its stream still gets its answers: until each of its messages
has one and no more come, at the latest after --half-close.

With --reconnect clients stay when TARGET is lost, and what they send waits for
it, at most as long as --timeout.

With --own NAME bridges on several machines, joined as "parley help beyond" says, share
one TARGET: one of them has it, a message at a time, and the others pass on to that one
what their clients ask. When it ends, another one has TARGET within a second, when it is
killed or cut off within 30s, and never two at once. An answer is one message, or as
many as --answers says; of SCPI a message without a question mark has none. While nobody
has it, clients are told so as of other errors. With --room others hear what is asked
and answered.

A oneline client's "shutdown" ends the bridge, as "parley serve" would end; it is
not passed on.`,
		Example: `  parley bridge oneline://:5001 serpy2://camera:8000 --typed --answers 1
  parley bridge tinyproto://:8088 scpi://psu:5025 --reconnect
  parley bridge serpy+tls://:6001 serpy://127.0.0.1:6000 --cert cert.pem --key key.pem`,
		ValidArgsFunction: a.CompleteURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			es, err := a.Targets(cmd, args)
			if err != nil {
				return err
			}
			if err := app.Named(cmd, "own", "room"); err != nil {
				return err
			}
			if len(es) != 2 {
				return fault.Usagef("two addresses are needed, where to listen and where to connect\n  usage: %s", cmd.UseLine())
			}
			if err := app.TakeTurns(o.ahead, &es[0], &es[1]); err != nil {
				return err
			}
			return runBridge(cmd.Context(), a, cmd, es[0], es[1], o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.typed, "typed", false, "oneline, tinyproto, line, scpi and frame: read and write types in front of values")
	f.IntVar(&o.answers, "answers", bridge.AnyAnswers, "each command of a oneline client has `N` answers")
	f.Lookup("answers").DefValue = "0"
	f.StringVar(&o.unsolicited, "unsolicited", "close", "`WHAT` to do with what a oneline client has not asked for: close, drop or queue")
	f.BoolVar(&o.reconnect, "reconnect", false, "connect with TARGET again when it is lost; clients stay")
	f.StringVar(&o.own, "own", "", "with bridges on other machines: one at a time has TARGET, which all call `NAME`")
	f.StringVar(&o.room, "room", "", "with --own: what is asked and answered is heard in the room `NAME`")
	f.BoolVar(&o.allowShutdown, "allow-shutdown", false, "honour a oneline client's shutdown everywhere")
	app.AheadFlag(cmd, &o.ahead)
	cmd.RegisterFlagCompletionFunc("unsolicited", cobra.FixedCompletions([]string{"close", "drop", "queue"}, cobra.ShellCompDirectiveNoFileComp))
	listen.AddFlags(a, cmd)
	a.DialFlags(cmd)
	a.BusFlags(cmd)
	return cmd
}

// policies are the values of --unsolicited.
var policies = map[string]bridge.Unsolicited{
	"close": bridge.CloseUnsolicited,
	"drop":  bridge.DropUnsolicited,
	"queue": bridge.QueueUnsolicited,
}

// runBridge does what the command promises.
func runBridge(ctx context.Context, a *app.App, cmd *cobra.Command, from, to endpoint.Endpoint, o bridgeOptions) error {
	policy, ok := policies[o.unsolicited]
	lockstep := from.Protocol.Traits().Lockstep
	switch {
	case !ok:
		return fault.Usagef("--unsolicited %s: want close, drop or queue", o.unsolicited)
	case o.own == "" && (o.room != "" || a.Bus.Any()):
		return fault.Usagef("--room, --hub, --join, --cluster and --bus are for --own: what do the bridges share?")
	case o.own != "" && cmd.Flags().Changed("unsolicited"):
		return fault.Usagef("--unsolicited is for a bridge that gives each client its own connection, not for --own")
	case o.own == "" && !lockstep && (cmd.Flags().Changed("answers") || cmd.Flags().Changed("unsolicited")):
		return fault.Usagef("--answers and --unsolicited are for oneline clients: %s clients may be spoken to at any time", from.Protocol.Name())
	case o.answers < bridge.AnyAnswers, o.answers == bridge.AnyAnswers && cmd.Flags().Changed("answers"):
		return fault.Usagef("--answers %d: want 0 or more", o.answers)
	case o.typed && !untyped(from) && !untyped(to):
		return fault.Usagef("--typed is for oneline, tinyproto, line, scpi and frame: %s and %s have types", from.Protocol.Name(), to.Protocol.Name())
	}
	srv, err := listen.NewServer(a, from)
	if err != nil {
		return err
	}
	if err := a.Limits.CheckConns(to); err != nil { // its clients would wait for each other there
		return err
	}
	if err := a.Configure(&parley.Dialer{}, to); err != nil {
		return err // now, and not when the first client comes
	}
	if o.own != "" {
		with, end, err := ownDevice(ctx, a, srv, from, to, o)
		if err != nil {
			return err
		}
		srv.IgnoreShutdownRequest = !o.allowShutdown && !listen.IsLocal(from)
		return errors.Join(listen.Serve(ctx, a, []listen.Listener{{At: from, Server: srv, Note: fmt.Sprintf("%s, which one at a time has as %s", to, o.own)}}, with), end())
	}
	b := &bridge.Bridge{
		Answers:     o.answers,
		Unsolicited: policy,
		Timeout:     a.AnswerTimeout(),
		Log:         a.Log,
		Target: bridge.Target{
			Protocol: to.Protocol,
			Configure: func(d *parley.Dialer) error {
				err := a.Configure(d, to)
				d.Limits.MaxStream = cmp.Or(d.Limits.MaxStream, d.Limits.MaxMessage) // what the user has said holds for streams too
				return err
			},
			Dial: func(ctx context.Context, d *parley.Dialer) (*parley.Conn, error) {
				return a.Dial(ctx, to, d)
			},
		},
	}
	if o.typed {
		b.Forms = &bridge.Forms{Read: readForm, Write: writeForm}
	}
	if o.reconnect {
		b.Target.Client = func() *parley.Client { return a.Client(to) }
	}
	srv.Limits.MaxStream = cmp.Or(srv.Limits.MaxStream, srv.Limits.MaxMessage)
	b.Install(srv)
	l := listen.Listener{At: from, Server: srv, Note: fmt.Sprintf("to %s", to), Cut: b.Cut}
	if lockstep {
		srv.IgnoreShutdownRequest = !o.allowShutdown && !listen.IsLocal(from)
		if srv.IgnoreShutdownRequest {
			l.Note += "; a client's shutdown is ignored: --allow-shutdown honours it"
		} else {
			l.Note += "; a client's shutdown ends the bridge"
		}
	}
	return listen.Serve(ctx, a, []listen.Listener{l}, listen.Company{})
}

// untyped reports whether a wire has one type only.
func untyped(e endpoint.Endpoint) bool {
	name := e.Protocol.Name()
	return slices.Contains([]string{"oneline", "tinyproto", "line", "scpi", "frame"}, name)
}
