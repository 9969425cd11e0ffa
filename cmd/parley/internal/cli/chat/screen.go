package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/chat"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// chatScreen is the chat on the whole screen.
func chatScreen(ctx context.Context, a *app.App, e endpoint.Endpoint, o chatOptions, d dialect) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outbox := make(chan outgoing, chat.MaxUnsent)
	var unsent atomic.Int32
	model := chat.New(chat.Options{
		Name:    o.name,
		Colon:   d.colon,
		URL:     e.String(),
		Visible: terminal.Visible,
		Send: func(n int, line string) {
			unsent.Add(1)
			outbox <- outgoing{n, line} // there is room
		},
		Now: time.Now,
	})
	screen := tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(a.Stdin), tea.WithOutput(a.Stdout), tea.WithoutSignalHandler())

	b := *a
	stderr := &divertedWriter{w: a.Errs}
	b.Divert(stderr, 1) // the screen shows the state of the connection
	peer, conn, err := enterChat(ctx, &b, e, o, func(s parley.State, err error) { screen.Send(chat.Status{State: s, Reason: talk.Reason(err)}) })
	if err != nil {
		return err
	}
	stderr.divert(noteWriter{screen})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for l := range outbox {
			err := peer.Send(ctx, parley.Text(l.line))
			unsent.Add(-1)
			screen.Send(chat.Sent{N: l.n, Err: err})
		}
	}()
	ended := make(chan error, 1)
	go func() {
		ended <- receiveChat(ctx, screen, peer, d)
		screen.Send(chat.Ended{})
	}()

	_, err = screen.Run()
	stderr.divert(a.Errs)
	close(outbox)
	select { // what was typed last may be on its way
	case <-sent:
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	switch {
	case model.Interrupted():
		err = fault.ErrInterrupted
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && len(ended) > 0:
		if err = <-ended; errors.Is(err, parley.ErrPeerClosed) {
			fmt.Fprintln(a.Stderr, "the server closed the connection")
			err = nil
		}
	}
	if n := unsent.Load(); err == nil && n > 0 {
		err = fmt.Errorf("%d lines were not sent", n)
	}
	return talk.Leave(peer, conn, err)
}

// outgoing is a line to send.
type outgoing struct {
	n    int
	line string
}

// receiveChat shows what arrives, until the connection ends for good.
func receiveChat(ctx context.Context, screen *tea.Program, peer talk.Speaker, d dialect) error {
	for {
		m, err := peer.Receive(ctx)
		switch {
		case errors.As(err, new(*parley.MessageError)):
			screen.Send(chat.Note{Text: fault.Bare(err).Error()})
		case err != nil:
			return err
		default:
			screen.Send(chat.Received{Text: d.line(m)})
		}
	}
}

// divertedWriter writes to one writer after the other.
type divertedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (d *divertedWriter) divert(w io.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.w = w
}

// Write writes b to the current writer.
func (d *divertedWriter) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.w.Write(b)
}

// noteWriter shows the lines that are written to it as notes.
type noteWriter struct{ screen *tea.Program }

// Write shows b.
func (w noteWriter) Write(b []byte) (int, error) {
	w.screen.Send(chat.Note{Text: strings.TrimSuffix(string(b), "\n")})
	return len(b), nil
}
