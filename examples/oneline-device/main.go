// Oneline-device is a device that takes commands, one line each: cmd01 is
// answered "ack", everything else "nak - unknown cmd". It shows the smallest
// server there is. What belongs to the wire needs no code: ping is answered,
// disconnect and shutdown are obeyed, and one client is served at a time.
//
//	go run ./examples/oneline-device
//	go run ./examples/oneline-client
//
// The second line may as well be the client half of the original's
// sample/main.py, or a person with netcat.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
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
	flags := flag.NewFlagSet("oneline-device", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5001", "listen on `host:port`")
	flags.Parse(args)

	srv := &parley.Server{
		Protocol: oneline.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			answer := "nak - unknown cmd"
			if m.Text() == "cmd01" {
				answer = "ack"
			}
			fmt.Fprintf(stdout, "%q (invalid: %v): %s\n", m.Text(), oneline.Invalid(m), answer)
			return c.Send(ctx, parley.Text(answer))
		}),
	}
	if err := srv.Listen(*addr); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "listening on", srv.Addrs()[0])
	context.AfterFunc(ctx, func() { srv.Shutdown(context.Background()) })
	if err := srv.Serve(); !errors.Is(err, parley.ErrServerClosed) {
		return err
	}
	return nil
}
