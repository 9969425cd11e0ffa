// Oneline-client plays two clients of a device, one after the other. The first
// sends ping, a command and nonsense, and disconnects; the second sends ping
// and shuts the device down. It shows Dial, Call, and the two ways of leaving.
//
//	go run ./examples/oneline-device
//	go run ./examples/oneline-client
//
// The first line may as well be the original's sample/server_main.py.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("oneline-client", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:5001", "the device's `host:port`")
	flags.Parse(args)

	if err := session(ctx, *addr, stdout, "ping", "cmd01", "junk"); err != nil {
		return err
	}
	return session(ctx, *addr, stdout, "ping", "shutdown")
}

// session is one client: it sends the commands and prints the answers.
func session(ctx context.Context, addr string, stdout io.Writer, commands ...string) error {
	c, err := parley.Dial(ctx, oneline.Protocol{}, addr)
	if err != nil {
		return err
	}
	defer c.CloseNow() // on an error; after Close it does nothing
	for _, command := range commands {
		fmt.Fprintln(stdout, "tx:", command)
		if command == "shutdown" { // the one command that is not answered
			if err := c.Send(ctx, parley.Text(command)); err != nil {
				return err
			}
			continue
		}
		answer, err := call(ctx, c, command)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, "rx:", answer)
	}
	return c.Close() // says disconnect, unless shutdown has been said
}

// call sends a command and waits for its answer as long as the original does.
func call(ctx context.Context, c *parley.Conn, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	m, err := c.Call(ctx, parley.Text(command))
	return m.Text(), err
}
