// Serpy-chat sends every line it reads, behind your name, and prints what
// others say. Its commands are /name NAME; /stop, which leaves; and /KTHXBYE,
// which ends the server. It shows Client, which connects again
// when the connection is lost, and how a serpy mode is chosen.
//
//	go run ./examples/serpy-broadcast
//	go run ./examples/serpy-chat      # several of them
//
// The first line may as well be the original's examples/simpleBroadcast.py.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
)

// drain is how long the program stays after its last words: an original server
// drops what it has not yet looked at when its client closes.
const drain = time.Second

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("serpy-chat", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "the server's `host:port`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // the keyboard, the client and the loop print concurrently

	utf8, err := serpy.LookupEncoding("utf-8")
	if err != nil {
		return err
	}
	client := &parley.Client{
		// Mode 2, base85, because the original's relay garbles the plain text
		// of mode 0. Originals and this program receive all modes.
		Dialer: parley.Dialer{Protocol: serpy.Protocol{Mode: 2, Encoding: utf8}},
		Addr:   *addr,
		OnState: func(s parley.State, err error) {
			switch s {
			case parley.StateConnected:
				out.Println("-------------- Connected --------------")
			case parley.StateWaiting:
				out.Println("trying again:", err)
			}
		},
	}
	go func() { // reading the keyboard can't be interrupted, so it does not hold up the end
		talk(ctx, client, stdin, out)
		time.Sleep(drain)
		client.Close()
	}()
	for {
		switch m, err := client.Receive(ctx); {
		case errors.Is(err, parley.ErrClientClosed):
			return nil
		case err != nil: // a message is lost, the connection lives
			out.Println("WARNING :", err)
		default:
			out.Println(">>>", m.Text())
		}
	}
}

// talk does what the lines of stdin say.
func talk(ctx context.Context, client *parley.Client, stdin io.Reader, out *log.Logger) {
	name := "VOID"
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		line := lines.Text()
		command, argument, _ := strings.Cut(line, " ")
		var err error
		switch {
		case line == "":
		case line == "/KTHXBYE":
			err = client.Send(ctx, parley.Text(line))
		case !strings.HasPrefix(line, "/"):
			err = client.Send(ctx, parley.Text(name+" : "+line))
		case command == "/name":
			name = argument
		case command == "/stop":
			return
		default:
			out.Println("WARNING : Command not recognized")
		}
		if err != nil {
			out.Println("WARNING : not sent:", err)
		}
	}
}
