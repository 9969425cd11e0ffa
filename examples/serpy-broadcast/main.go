// Serpy-broadcast relays what one client sends to all the others, each message
// in the mode in which it came, and stops when somebody sends /KTHXBYE. It
// shows a relay: ForceMode keeps modes, NoPickle keeps pickles as they are.
//
//	go run ./examples/serpy-broadcast
//	go run ./examples/serpy-chat      # several of them
//
// The second line may as well be the original's examples/simpleChat.py.
// (The original's relay turns plain text into its base85; this one does not.)
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
	"github.com/parley-net/parley/serpy"
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
	flags := flag.NewFlagSet("serpy-broadcast", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `host:port`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // connections print concurrently

	srv := &parley.Server{Protocol: serpy.Protocol{ForceMode: true, NoPickle: true}}
	srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
		mode, _ := serpy.Mode(m)
		out.Printf("%d, mode %d: %q", c.ID(), mode, m.Text())
		if m.Text() == "/KTHXBYE" {
			go srv.Shutdown(context.Background()) // not here: it waits for this handler
			return nil
		}
		if _, err := srv.Broadcast(m, c); err != nil {
			out.Println("not relayed:", err)
		}
		return nil
	})
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
