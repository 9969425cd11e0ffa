// Package connect is the room of parley connect: the console's commands, and the
// prompt on a terminal.
package connect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// connectOptions are the flags of connect: those of send, and its own.
type connectOptions struct {
	talk.Options
	noHistory bool
	replies   string
}

func Command(a *app.App) *cobra.Command {
	var o connectOptions
	cmd := &cobra.Command{
		Use:   "connect URL",
		Short: "Talk to a peer line by line",
		Long: `Connects and sends every line that is typed as a message. What arrives is
printed above the line being typed.

A line is text, or has its type in front: ` + input.Forms + `.
Lines that begin with a / are commands: /help lists them. The Tab key completes
both, earlier lines, the requests of a --replies file, and files behind an @; the
arrow keys recall earlier lines, also those of earlier sessions. A line that begins
with a space is sent but not kept. When the peer closes the connection, Enter
connects again. What arrives is in colour where the terminal has it (NO_COLOR).

With a tinyproto peer it takes turns, as "parley send" does, unless --ahead.

Ctrl-D or /quit leaves politely, Ctrl-C with exit code 130.

Where standard input is no terminal, its lines mean the same, and the first
wrong one ends the command. At its end connect goes on reading until nothing
has come for --wait, or --count messages have been printed, or the peer has
closed, as send does. For text that may look like a type or a command, use
"parley send --lines".`,
		Example: `  parley connect scpi://scope
  parley connect 'serpy://localhost:6001?encoding=utf-8&mode=1' --rtt
  printf '*RST\n*IDN?\n' | parley connect scpi://bench.local --count 1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fault.Usagef("%q is one argument too many", rest[0])
			}
			if err := app.TakeTurns(o.Ahead, &e); err != nil {
				return err
			}
			return connectTo(cmd.Context(), a, e, o)
		},
		ValidArgsFunction: a.CompleteURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.In.Kind, "type", "text", "`TYPE` of messages that do not name theirs: "+strings.Join(input.Kinds, ", "))
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(input.Kinds, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&o.noHistory, "no-history", false, "neither recall lines of earlier sessions nor keep those of this one")
	f.StringVar(&o.replies, "replies", "", "complete the requests of a `FILE` of serve --replies")
	f.IntVarP(&o.Count, "count", "n", -1, "without a terminal: print `N` messages and end; 0: do not wait for any")
	f.Lookup("count").DefValue = "0" // so that the help shows no default
	f.DurationVarP(&o.Wait, "wait", "w", 2*time.Second, "there, behind the end of standard input: end when nothing has come for `TIME`")
	f.BoolVar(&o.Hold, "hold", false, "there: do not end before the peer does")
	f.BoolVar(&o.Confirm, "confirm", false, "wait for the peer's confirmation of each message (tinyproto, serpy)")
	f.BoolVar(&o.Reconnect, "reconnect", false, "connect again when the connection is lost")
	f.StringArrayVar(&o.Preamble, "preamble", nil, "send `MSG` first, after each connect")
	app.AheadFlag(cmd, &o.Ahead)
	o.Out.Add(cmd)
	a.DialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hold", "wait")
	return cmd
}

// connectTo runs connect, with a prompt if there is a terminal.
func connectTo(ctx context.Context, a *app.App, e endpoint.Endpoint, o connectOptions) error {
	switch {
	case !slices.Contains(input.Kinds, o.In.Kind):
		return fault.Usagef("--type %s: want %s", o.In.Kind, strings.Join(input.Kinds, ", "))
	case o.Count < -1 || o.Wait < 0:
		return fault.Usagef("--count and --wait can't be negative")
	case o.Confirm && !e.Protocol.Traits().Confirms:
		return fault.Usagef("--confirm: %s has no confirmations", e.Protocol.Name())
	}
	c := &console{kind: o.In.Kind, modes: e.Protocol.Name() == "serpy", mode: -1}
	var err error
	if c.asks, err = asksOf(o.replies); err != nil {
		return err
	}
	if keyboard, screen := keyboardAndScreen(a); screen != nil {
		if o.Out.Raw && terminal.IsTerminal(a.Stdout) {
			return fault.Usagef("--raw: on a terminal the peer's bytes could do anything: send standard output elsewhere")
		}
		return connectAt(ctx, a, keyboard, screen, e, o, c)
	}
	o.UntilSilence = true
	o.In.OfLines(e.Protocol)
	o.In.Lines = true // standard input is not waited for when the peer has gone
	s := &talk.Sending{App: a, Options: o.Options, At: e, In: &scripted{console: c, in: o.In, lines: bufio.NewReader(a.Stdin)}}
	c.tell = func(text string) { fmt.Fprintln(a.Loud, text) }
	if s.Out, err = output.NewPrinter(a, o.Out); err != nil {
		return err
	}
	c.out = s.Out
	if s.Peer, s.Conn, err = talk.Reach(ctx, a, e, o.Options, talk.ReportState(a)); err != nil {
		return err
	}
	err = s.Run(ctx)
	if s.Conn != nil && errors.Is(s.Conn.Err(), parley.ErrPeerClosed) {
		c.tell("the peer closed the connection")
	}
	return talk.Leave(s.Peer, s.Conn, err)
}

// keyboardAndScreen returns where lines can be typed and where they show, or nil.
func keyboardAndScreen(a *app.App) (keyboard, screen *os.File) {
	if !terminal.IsTerminal(a.Stdin) || terminal.IsDumb() {
		return nil, nil
	}
	for _, w := range []io.Writer{a.Stdout, a.Errs} {
		if terminal.IsTerminal(w) {
			return a.Stdin.(*os.File), w.(*os.File)
		}
	}
	return nil, nil
}
