// Serpy2-pingpong-server sends every value back, with its type, and stops when
// it gets the text /KTHXBYE. It shows that a message carries its type.
//
//	go run ./examples/serpy2-pingpong-server
//	go run ./examples/serpy2-pingpong-client
//
// The second line may as well be the original's
// examples/test_serpy2_1_pingpongClient.py.
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
	"github.com/parley-net/parley/serpy2"
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
	flags := flag.NewFlagSet("serpy2-pingpong-server", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `host:port`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // connections print concurrently

	srv := &parley.Server{Protocol: serpy2.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		out.Println(m)
		if m.Type() == parley.TypeText && m.Text() == "/KTHXBYE" {
			go srv.Shutdown(context.Background()) // not here: it waits for this handler
			return nil
		}
		return c.Send(ctx, m)
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
