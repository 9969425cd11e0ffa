package main

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
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// connectOptions are the flags of connect: those of send, and its own.
type connectOptions struct {
	sendOptions
	noHistory bool
	replies   string
}

func connectCmd(a *app) *cobra.Command {
	var o connectOptions
	cmd := &cobra.Command{
		Use:   "connect URL",
		Short: "Talk to a peer line by line",
		Long: `Connects and sends every line that is typed as a message. What arrives is
printed above the line being typed.

A line is text, or has its type in front: ` + messageForms + `.
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
			e, rest, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return usagef("%q is one argument too many", rest[0])
			}
			if err := takeTurns(o.ahead, &e); err != nil {
				return err
			}
			return connectTo(cmd.Context(), a, e, o)
		},
		ValidArgsFunction: a.completeURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.in.kind, "type", "text", "`TYPE` of messages that do not name theirs: "+strings.Join(kinds, ", "))
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&o.noHistory, "no-history", false, "neither recall lines of earlier sessions nor keep those of this one")
	f.StringVar(&o.replies, "replies", "", "complete the requests of a `FILE` of serve --replies")
	f.IntVarP(&o.count, "count", "n", -1, "without a terminal: print `N` messages and end; 0: do not wait for any")
	f.Lookup("count").DefValue = "0" // so that the help shows no default
	f.DurationVarP(&o.wait, "wait", "w", 2*time.Second, "there, behind the end of standard input: end when nothing has come for `TIME`")
	f.BoolVar(&o.hold, "hold", false, "there: do not end before the peer does")
	f.BoolVar(&o.confirm, "confirm", false, "wait for the peer's confirmation of each message (tinyproto, serpy)")
	f.BoolVar(&o.reconnect, "reconnect", false, "connect again when the connection is lost")
	f.StringArrayVar(&o.preamble, "preamble", nil, "send `MSG` first, after each connect")
	aheadFlag(cmd, &o.ahead)
	o.out.add(cmd)
	a.dialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hold", "wait")
	return cmd
}

// connectTo runs connect, with a prompt if there is a terminal.
func connectTo(ctx context.Context, a *app, e endpoint.Endpoint, o connectOptions) error {
	switch {
	case !slices.Contains(kinds, o.in.kind):
		return usagef("--type %s: want %s", o.in.kind, strings.Join(kinds, ", "))
	case o.count < -1 || o.wait < 0:
		return usagef("--count and --wait can't be negative")
	case o.confirm && !e.Protocol.Traits().Confirms:
		return usagef("--confirm: %s has no confirmations", e.Protocol.Name())
	}
	c := &console{kind: o.in.kind, modes: e.Protocol.Name() == "serpy", mode: -1}
	var err error
	if c.asks, err = asksOf(o.replies); err != nil {
		return err
	}
	if keyboard, screen := keyboardAndScreen(a); screen != nil {
		if o.out.raw && isTerminal(a.stdout) {
			return usagef("--raw: on a terminal the peer's bytes could do anything: send standard output elsewhere")
		}
		return connectAt(ctx, a, keyboard, screen, e, o, c)
	}
	o.untilSilence = true
	o.in.ofLines(e.Protocol)
	o.in.lines = true // standard input is not waited for when the peer has gone
	s := &sending{a: a, o: o.sendOptions, at: e, in: &scripted{console: c, in: o.in, lines: bufio.NewReader(a.stdin)}}
	c.tell = func(text string) { fmt.Fprintln(a.loud, text) }
	if s.out, err = newPrinter(a, o.out); err != nil {
		return err
	}
	c.out = s.out
	if s.peer, s.conn, err = reach(ctx, a, e, o.sendOptions, reportState(a)); err != nil {
		return err
	}
	err = s.run(ctx)
	if s.conn != nil && errors.Is(s.conn.Err(), parley.ErrPeerClosed) {
		c.tell("the peer closed the connection")
	}
	return leave(s.peer, s.conn, err)
}

// keyboardAndScreen returns where lines can be typed and where they show, or nil.
func keyboardAndScreen(a *app) (keyboard, screen *os.File) {
	if !isTerminal(a.stdin) || isDumb() {
		return nil, nil
	}
	for _, w := range []io.Writer{a.stdout, a.errs} {
		if isTerminal(w) {
			return a.stdin.(*os.File), w.(*os.File)
		}
	}
	return nil, nil
}
