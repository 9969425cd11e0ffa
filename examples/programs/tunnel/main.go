// Tunnel serves connections that a listener of its own has accepted, and dials through
// a dialler of its own: here each begins with a password.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:7005")
	if err != nil {
		log.Fatal(err)
	}
	srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	log.Fatal(serve(l, srv))
}

const password = "let me in\n"

// serve lets in who knows the password.
func serve(l net.Listener, srv *parley.Server) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			got := make([]byte, len(password))
			if _, err := io.ReadFull(nc, got); err != nil || string(got) != password {
				nc.Close()
				return
			}
			log.Println("left:", srv.ServeConn(nc))
		}()
	}
}

// through returns a Dialer that says the password with dial's connections.
func through(dial func(ctx context.Context, network, address string) (net.Conn, error), word string) *parley.Dialer {
	return &parley.Dialer{
		Protocol: oneline.Protocol{},
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if network != "tcp" {
				return nil, errors.New("only by TCP")
			}
			nc, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			w := bufio.NewWriter(nc)
			fmt.Fprint(w, word)
			if err := w.Flush(); err != nil {
				nc.Close()
				return nil, err
			}
			return nc, nil
		},
	}
}
