package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func sendCmd(a *app) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send URL [MSG… | -]",
		Short: "Send messages and print what comes back",
		Long: `Connects, sends the messages in order, and prints every message that comes
back, one per line.

A message is text, or has its type in front: ` + messageForms + `.
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
			e, rest, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if err := takeTurns(o.ahead, &e); err != nil {
				return err
			}
			o.untilSilence = o.hold || o.count >= 0 || cmd.Flags().Changed("wait")
			return sendAndReceive(cmd.Context(), a, e, rest, o)
		},
		ValidArgsFunction: a.completeURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.in.add(cmd)
	f.IntVarP(&o.count, "count", "n", -1, "print `N` messages and end; 0: do not wait for any")
	f.Lookup("count").DefValue = "0" // so that the help shows no default
	f.DurationVarP(&o.wait, "wait", "w", 2*time.Second, "end when nothing has come for `TIME`")
	f.BoolVar(&o.hold, "hold", false, "do not end before the peer does")
	f.BoolVar(&o.confirm, "confirm", false, "wait for the peer's confirmation of each message (tinyproto, serpy)")
	f.StringVar(&o.expect, "expect", "", "fail unless something comes back and all of it matches `REGEXP`")
	f.BoolVar(&o.reconnect, "reconnect", false, "connect again when the connection is lost")
	f.StringArrayVar(&o.preamble, "preamble", nil, "send `MSG` first, after each connect")
	aheadFlag(cmd, &o.ahead)
	o.out.add(cmd)
	o.out.addBlock(cmd)
	a.dialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hold", "wait")
	cmd.MarkFlagsMutuallyExclusive("block", "raw")
	return cmd
}

// sendAndReceive does what the command promises.
func sendAndReceive(ctx context.Context, a *app, e endpoint.Endpoint, args []string, o sendOptions) error {
	s := &sending{a: a, o: o, at: e}
	o.in.ofLines(e.Protocol)
	var err error
	if s.in, err = newInput(a, o.in, args); err != nil {
		return err
	}
	if len(args) == 0 && !o.in.items() && !o.hold && o.count < 0 {
		return usagef("nothing to send: give a message, - or --lines; or --hold to just listen")
	}
	if o.count < -1 || o.wait < 0 {
		return usagef("--count and --wait can't be negative")
	}
	if o.confirm && !e.Protocol.Traits().Confirms {
		return usagef("--confirm: %s has no confirmations", e.Protocol.Name())
	}
	if s.out, err = newPrinter(a, o.out); err != nil {
		return err
	}
	if o.expect != "" {
		if s.expect, err = regexpOf("--expect", o.expect); err != nil {
			return err
		}
	}
	client := a.client(e)
	d := &client.Dialer
	if err := a.configure(d, e); err != nil {
		return err
	}
	if err := sayFirst(d, o.preamble, o.in.kind); err != nil {
		return err
	}
	if s.peer = client; o.reconnect {
		a.queued.add(d, e)
	} else {
		if s.conn, err = a.dial(ctx, e, d); err != nil {
			return err
		}
		s.peer = s.conn
	}
	err = s.run(ctx)
	if cerr := s.peer.Close(); err == nil {
		err = cerr
	}
	if s.conn != nil {
		err = explain(s.conn, err)
	}
	return err
}
