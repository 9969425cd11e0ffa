// Tinyproto-chat-server relays what one client says to all the others, behind
// the connection's number, and announces who joins and leaves. It shows
// Broadcast, and the hooks at both ends of a connection's life. Ctrl-C ends it.
//
//	go run ./examples/tinyproto-chat-server
//	go run ./examples/tinyproto-chat-client      # several of them
//
// The second line may as well be the original's example/chat-client.py, of
// version 2 or 3.
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
	"time"

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
	flags := flag.NewFlagSet("tinyproto-chat-server", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8088", "listen on `host:port`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // connections print concurrently

	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		// Two parley peers may speak at the same moment; an original is then
		// out of step for good. This is how long it may block its place.
		Timeouts: parley.Timeouts{Answer: 5 * time.Second},
	}
	tellOthers := func(c *parley.Conn, text string) error {
		_, err := srv.Broadcast(parley.Text(fmt.Sprintf("[%d] %s", c.ID(), text)), c)
		return err
	}
	srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
		return tellOthers(c, m.Text())
	})
	srv.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error {
		out.Printf("connection %d opened from %v", c.ID(), c.RemoteAddr())
		return tellOthers(c, "**joined the chat")
	}
	srv.Hooks.OnClose = func(c *parley.Conn, err error) {
		out.Printf("connection %d closed: %v", c.ID(), err)
		tellOthers(c, "**left the chat")
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
