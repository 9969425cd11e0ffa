// Tinyproto-echo-server answers every text with "Echo back: " and the text.
// QUIT ends the connection it comes from, SRVQUIT the server and with it all
// others. It shows how a handler ends its connection, and how it ends the
// server.
//
//	go run ./examples/tinyproto-echo-server
//	go run ./examples/tinyproto-echo-client
//
// The second line may as well be the echo client of the original's README.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("tinyproto-echo-server", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:9123", "listen on `host:port`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // connections print concurrently

	srv := &parley.Server{Protocol: tinyproto.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		switch m.Text() {
		case "QUIT":
			return parley.ErrClosed // an error ends the connection; this one says: politely, by us
		case "SRVQUIT":
			go srv.Shutdown(context.Background()) // not here: it waits for this handler
			return nil
		}
		return c.Send(ctx, parley.Text("Echo back: "+m.Text()))
	})
	srv.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error {
		out.Println("connection opened from", c.RemoteAddr())
		return nil
	}
	srv.Hooks.OnClose = func(c *parley.Conn, err error) {
		out.Printf("connection closed from %v: %v", c.RemoteAddr(), err)
	}
	if err := srv.Listen(*addr); err != nil {
		return err
	}
	out.Println("listening on", srv.Addrs()[0])
	context.AfterFunc(ctx, func() { srv.Shutdown(context.Background()) })
	if err := srv.Serve(); !errors.Is(err, parley.ErrServerClosed) {
		return err
	}
	return nil
}
