package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/chat"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// chatPlain is the chat in lines.
func chatPlain(ctx context.Context, a *app, e endpoint.Endpoint, o chatOptions, d dialect) error {
	s := &sending{
		a:  a,
		o:  sendOptions{in: inputFlags{lines: true}, count: -1, wait: o.wait, hold: o.hold},
		in: &chatLines{a: a, lines: bufio.NewReader(a.stdin), name: o.name, colon: d.colon, atTerminal: isTerminal(a.stdin)},
		at: e,
	}
	var err error
	if s.out, err = newPrinter(a, o.out); err != nil {
		return err
	}
	s.out.text = func(m parley.Message) []byte {
		// The further lines are indented: they can't pretend to be what
		// somebody else has said.
		return []byte(strings.ReplaceAll(d.line(m), "\n", "\n    "))
	}
	peer, conn, err := enterChat(ctx, a, e, o, reportState(a))
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, "connected")
	s.peer, s.conn = peer, conn
	err = s.run(ctx)
	if conn != nil && errors.Is(conn.Err(), parley.ErrPeerClosed) {
		fmt.Fprintln(a.stderr, "the server closed the connection")
	}
	return leave(peer, conn, err)
}

// chatLines are the lines of standard input, as a source of messages.
type chatLines struct {
	a           *app
	lines       *bufio.Reader
	name, colon string
	atTerminal  bool // its end means to leave
}

// next returns the next message to send, io.EOF, or errLeave.
func (l *chatLines) next() (parley.Message, error) {
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil && (err != io.EOF || line == "") {
			if err == io.EOF && l.atTerminal {
				err = errLeave
			}
			return parley.Message{}, err
		}
		command, argument, err := chat.Read(strings.TrimRight(line, "\r\n"))
		switch {
		case err != nil:
			fmt.Fprintln(l.a.loud, err)
		case command == chat.Say:
			return parley.Text(l.name + l.colon + argument), nil
		case command == chat.SayRaw:
			return parley.Text(argument), nil
		case command == chat.Rename:
			l.name = argument
		case command == chat.Help:
			fmt.Fprintln(l.a.loud, chat.HelpText)
		case command == chat.Leave:
			return parley.Message{}, errLeave
		}
	}
}
