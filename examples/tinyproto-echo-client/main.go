// Tinyproto-echo-client sends every line it reads and prints the answer. After
// QUIT, which ends the connection, and SRVQUIT, which ends the server, it
// leaves; also at the end of its input, and when the server ends. It shows Call.
//
//	go run ./examples/tinyproto-echo-server
//	go run ./examples/tinyproto-echo-client
//
// The first line may as well be the echo server of the original's README.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

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
	flags := flag.NewFlagSet("tinyproto-echo-client", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:9123", "the server's `host:port`")
	flags.Parse(args)

	c, err := parley.Dial(ctx, tinyproto.Protocol{}, *addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "connected to", c.RemoteAddr())
	go func() { // reading the keyboard can't be interrupted, so it does not hold up the end
		talk(ctx, c, stdin, stdout)
		c.Close()
	}()
	<-c.Done()
	if err := c.Err(); !errors.Is(err, parley.ErrClosed) && !errors.Is(err, parley.ErrPeerClosed) {
		return err
	}
	return nil
}

// talk sends the lines of stdin and prints the answers.
func talk(ctx context.Context, c *parley.Conn, stdin io.Reader, stdout io.Writer) {
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		answer, err := c.Call(ctx, parley.Text(lines.Text())) // QUIT and SRVQUIT are not answered but end the connection
		if err != nil {
			return // the connection's end says why
		}
		fmt.Fprintln(stdout, "Response from server:", answer.Text())
	}
}
