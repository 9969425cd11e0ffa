// Middleware around a handler of messages and streams: who may, how long it takes, and
// values for what lies behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

func main() {
	log.Fatal(newServer(new(meter)).ListenAndServe("127.0.0.1:7003"))
}

func newServer(m *meter) *parley.Server {
	return &parley.Server{
		Protocol: tinyproto.Protocol{},
		Limits:   parley.Limits{MaxMessage: 1 << 20},
		Handler:  parley.Wrap(store{}, m.measure, login),
	}
}

// meter measures what a handler takes.
type meter struct{ messages, streams, nanos atomic.Int64 }

func (m *meter) measure(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
	defer func(began time.Time) { m.nanos.Add(int64(time.Since(began))) }(time.Now())
	if in.Stream != nil {
		m.streams.Add(1)
	} else {
		m.messages.Add(1)
	}
	return next(ctx, c, in)
}

// user is who a connection is, once it has logged in.
var user parley.Key[string]

type userKey struct{}

// login takes the first message for a name, and puts the name into the context of
// those that follow.
func login(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
	if name := user.Get(c); name != "" {
		return next(context.WithValue(ctx, userKey{}, name), c, in)
	}
	if in.Stream != nil {
		return errors.New("log in first")
	}
	user.Set(c, in.Message.Text())
	return c.Send(ctx, parley.Text("welcome"))
}

// store is the handler.
type store struct{}

// ServeMessage says who has sent how much.
func (store) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, parley.Text(fmt.Sprintf("%v: a message of %d", ctx.Value(userKey{}), m.Len())))
}

// ServeStream likewise.
func (store) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	n, err := io.Copy(io.Discard, s)
	if err != nil {
		return err
	}
	return c.Send(ctx, parley.Text(fmt.Sprintf("%v: a stream of %d", ctx.Value(userKey{}), n)))
}
