// Serpy2-pingpong-client sends values of all types, several at a time, and
// checks that each comes back as what it was. It does so on ten connections,
// one after the other, and then stops the server. It shows how values are
// sent and compared, and that answers need not be waited for one by one.
//
//	go run ./examples/serpy2-pingpong-server
//	go run ./examples/serpy2-pingpong-client
//
// The first line may as well be the original's
// examples/test_serpy2_1_pingpongServer.py.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

const cycles = 10

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("serpy2-pingpong-client", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "the server's `host:port`")
	flags.Parse(args)

	failures := 0
	for range cycles {
		n, err := cycle(ctx, *addr, stdout)
		if err != nil {
			return err
		}
		failures += n
	}
	fmt.Fprintf(stdout, "%d cycles, %d ping-pong errors\n", cycles, failures)

	if err := stop(ctx, *addr); err != nil {
		return err
	}
	if failures > 0 {
		return fmt.Errorf("%d values did not come back as they were", failures)
	}
	return nil
}

// cycle is one connection. It returns how many values did not come back as
// what they were.
func cycle(ctx context.Context, addr string, stdout io.Writer) (failures int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		return 0, err
	}
	defer c.CloseNow() // on an error; after Close it does nothing

	// No more than the ten values that an original queues.
	values := []parley.Message{
		parley.Int(123), parley.Text("hello"), parley.Float(12.35), parley.Float(-1e6),
		parley.Int(600000), parley.Text("yes µù"), parley.Bytes([]byte{0, 0x80, 0xFF}),
	}
	for _, v := range values {
		if err := c.Send(ctx, v); err != nil {
			return 0, err
		}
	}
	for _, want := range values {
		got, err := c.Receive(ctx)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(stdout, got)
		if got.Type() != want.Type() || got.Text() != want.Text() {
			fmt.Fprintln(stdout, "ping-pong error, sent", want)
			failures++
		}
	}
	return failures, c.Close()
}

// stop stops the server and waits until it closes the connection: an original
// drops what it has not yet looked at when its client closes first.
func stop(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	switch m, err := c.Call(ctx, parley.Text("/KTHXBYE")); {
	case errors.Is(err, parley.ErrPeerClosed):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("the server answered %v instead of stopping", m)
	}
}
