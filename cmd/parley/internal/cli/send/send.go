// Package send is the room of parley send.
package send

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func Command(a *app.App) *cobra.Command {
	var o talk.Options
	cmd := &cobra.Command{
		Use:   "send URL [MSG… | -]",
		Short: "Send messages and print what comes back",
		Long: `Connects, sends the messages in order, and prints every message that comes
back, one per line.

A message is text, or has its type in front: ` + input.Forms + `.
"text:$x" sends any text as it is. "-" is one message read from standard input;
--lines, -0 and --base64 send one for each item of it, as they come. Standard
input is never searched for types: --type says what it is.

When all is sent it goes on reading until nothing has come for --wait, or
--count messages have been printed, or the peer has closed. With --count each
of them may take as long as --timeout. Where it is known how many answers there
are (oneline, scpi, line with a prompt) it ends when they have come, unless
--wait is given. See "parley help end-of-input"; "parley ask" asks one question
at a time.

An original tinyproto peer does not survive that its message meets one of ours.
So on tinyproto the next message leaves when the last one is confirmed and its
answer has come, or nothing has come for 50 ms; --ahead sends without waiting.`,
		Example: `  parley send scpi://scope '*RST' 'VOLT 1.5' '*IDN?'
  parley send serpy2://localhost:6000 int:3 --count 1 --raw > image.f32
  parley send tinyproto://localhost:8088 - --type bytes --confirm < photo.jpg
  tail -f log | parley send serpy://localhost:6001 --lines --hold`,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			if err := app.TakeTurns(o.Ahead, &e); err != nil {
				return err
			}
			o.UntilSilence = o.Hold || o.Count >= 0 || cmd.Flags().Changed("wait")
			return sendAndReceive(cmd.Context(), a, e, rest, o)
		},
		ValidArgsFunction: a.CompleteURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.In.Add(cmd)
	f.IntVarP(&o.Count, "count", "n", -1, "print `N` messages and end; 0: do not wait for any")
	f.Lookup("count").DefValue = "0" // so that the help shows no default
	f.DurationVarP(&o.Wait, "wait", "w", 2*time.Second, "end when nothing has come for `TIME`")
	f.BoolVar(&o.Hold, "hold", false, "do not end before the peer does")
	f.BoolVar(&o.Confirm, "confirm", false, "wait for the peer's confirmation of each message (tinyproto, serpy)")
	f.StringVar(&o.Expect, "expect", "", "fail unless something comes back and all of it matches `REGEXP`")
	f.BoolVar(&o.Reconnect, "reconnect", false, "connect again when the connection is lost")
	f.StringArrayVar(&o.Preamble, "preamble", nil, "send `MSG` first, after each connect")
	app.AheadFlag(cmd, &o.Ahead)
	o.Out.Add(cmd)
	o.Out.AddBlock(cmd)
	a.DialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hold", "wait")
	cmd.MarkFlagsMutuallyExclusive("block", "raw")
	return cmd
}

// sendAndReceive does what the command promises.
func sendAndReceive(ctx context.Context, a *app.App, e endpoint.Endpoint, args []string, o talk.Options) error {
	s := &talk.Sending{App: a, Options: o, At: e}
	o.In.OfLines(e.Protocol)
	var err error
	if s.In, err = input.New(a, o.In, args); err != nil {
		return err
	}
	if len(args) == 0 && !o.In.Items() && !o.Hold && o.Count < 0 {
		return fault.Usagef("nothing to send: give a message, - or --lines; or --hold to just listen")
	}
	if o.Count < -1 || o.Wait < 0 {
		return fault.Usagef("--count and --wait can't be negative")
	}
	if o.Confirm && !e.Protocol.Traits().Confirms {
		return fault.Usagef("--confirm: %s has no confirmations", e.Protocol.Name())
	}
	if s.Out, err = output.NewPrinter(a, o.Out); err != nil {
		return err
	}
	if o.Expect != "" {
		if s.Expect, err = fault.Regexp("--expect", o.Expect); err != nil {
			return err
		}
	}
	client := a.Client(e)
	d := &client.Dialer
	if err := a.Configure(d, e); err != nil {
		return err
	}
	app.TellsLost(d)
	if err := talk.SayFirst(d, o.Preamble, o.In.Kind); err != nil {
		return err
	}
	if s.Peer = client; o.Reconnect {
		a.Queued.Add(d, e)
	} else {
		if s.Conn, err = a.Dial(ctx, e, d); err != nil {
			return err
		}
		s.Peer = s.Conn
	}
	err = s.Run(ctx)
	if cerr := s.Peer.Close(); err == nil {
		err = cerr
	}
	if s.Conn != nil {
		err = diagnose.Explain(s.Conn, err)
	}
	return err
}
