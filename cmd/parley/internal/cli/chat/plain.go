package chat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/chat"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// chatPlain is the chat in lines.
func chatPlain(ctx context.Context, a *app.App, e endpoint.Endpoint, o chatOptions, d dialect) error {
	s := &talk.Sending{
		App:     a,
		Options: talk.Options{In: input.Flags{Lines: true}, Count: -1, Wait: o.wait, Hold: o.hold},
		In:      &chatLines{a: a, lines: bufio.NewReader(a.Stdin), name: o.name, colon: d.colon, atTerminal: terminal.IsTerminal(a.Stdin)},
		At:      e,
	}
	var err error
	if s.Out, err = output.NewPrinter(a, o.out); err != nil {
		return err
	}
	s.Out.Text = func(m parley.Message) []byte {
		// The further lines are indented: they can't pretend to be what
		// somebody else has said.
		return []byte(strings.ReplaceAll(d.line(m), "\n", "\n    "))
	}
	peer, conn, err := enterChat(ctx, a, e, o, talk.ReportState(a))
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Stderr, "connected")
	s.Peer, s.Conn = peer, conn
	err = s.Run(ctx)
	if conn != nil && errors.Is(conn.Err(), parley.ErrPeerClosed) {
		fmt.Fprintln(a.Stderr, "the server closed the connection")
	}
	return talk.Leave(peer, conn, err)
}

// chatLines are the lines of standard input, as a source of messages.
type chatLines struct {
	a           *app.App
	lines       *bufio.Reader
	name, colon string
	atTerminal  bool // its end means to leave
}

// Next returns the next message to send, io.EOF, or talk.ErrLeave.
func (l *chatLines) Next() (parley.Message, error) {
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil && (err != io.EOF || line == "") {
			if err == io.EOF && l.atTerminal {
				err = talk.ErrLeave
			}
			return parley.Message{}, err
		}
		command, argument, err := chat.Read(strings.TrimRight(line, "\r\n"))
		switch {
		case err != nil:
			fmt.Fprintln(l.a.Loud, err)
		case command == chat.Say:
			return parley.Text(l.name + l.colon + argument), nil
		case command == chat.SayRaw:
			return parley.Text(argument), nil
		case command == chat.Rename:
			l.name = argument
		case command == chat.Help:
			fmt.Fprintln(l.a.Loud, chat.HelpText)
		case command == chat.Leave:
			return parley.Message{}, talk.ErrLeave
		}
	}
}
