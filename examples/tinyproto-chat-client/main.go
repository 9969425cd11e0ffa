// Tinyproto-chat-client sends every line it reads and prints everything that
// arrives. It leaves at the line quit or the end of its input, and when the
// server ends. It shows how to send and to receive at the same time.
//
//	go run ./examples/tinyproto-chat-server
//	go run ./examples/tinyproto-chat-client      # several of them
//
// The first line may as well be the original's example/chat-server.py, of
// version 2 or 3.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("tinyproto-chat-client", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8088", "the server's `host:port`")
	flags.Parse(args)

	d := parley.Dialer{
		Protocol: tinyproto.Protocol{},
		// Two parley peers may speak at the same moment; an original is then
		// out of step for good. This is how long it takes to notice.
		Timeouts: parley.Timeouts{Answer: 5 * time.Second},
	}
	c, err := d.Dial(ctx, *addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "connected to", c.RemoteAddr())
	go func() { // reading the keyboard can't be interrupted, so it does not hold up the end
		for lines := bufio.NewScanner(stdin); lines.Scan() && lines.Text() != "quit"; {
			if err := c.Send(ctx, parley.Text(lines.Text())); err != nil {
				return // the loop below says why
			}
		}
		c.Close()
	}()
	for m, err := range c.Messages(ctx) {
		switch {
		case errors.Is(err, parley.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		fmt.Fprintln(stdout, m.Text())
	}
	return nil
}
