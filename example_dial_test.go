package parley_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/plugin/checksum"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Confirm returns when the peer has the message; only then may it be forgotten here.
func ExampleConn_Confirm() {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(
		func(context.Context, *parley.Conn, parley.Message) error { return nil })}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, tinyproto.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	switch err := c.Confirm(ctx, parley.Text("order 17")); {
	case err == nil:
		fmt.Println("it is there")
	case errors.Is(err, parley.ErrNotSent):
		fmt.Println("it has certainly not arrived: send it again")
	default:
		fmt.Println("it may have arrived: ask before it is sent again")
	}
	// Output: it is there
}

// Messages are received in a loop, until the peer closes or ctx ends.
func ExampleConn_Messages() {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			for i := range m.Int() {
				if err := c.Send(ctx, parley.Int(i)); err != nil {
					return err
				}
			}
			return c.Close()
		})}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(ctx, parley.Int(3)); err != nil {
		log.Fatal(err)
	}
	for m, err := range c.Messages(ctx) {
		if err != nil { // one message is lost, or the last word why there are no more
			fmt.Println(err)
			continue
		}
		fmt.Println(m.Int())
	}
	// Output:
	// 0
	// 1
	// 2
}

// A Client comes back after its server was away, and subscribes again: OnOpen is
// called for each new connection, before anything else is sent on it.
func ExampleClient_Messages() {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.Send(ctx, parley.Text("news for "+m.Text()))
		})}
	addr := listenAndServe(srv)
	defer srv.Close()

	client := &parley.Client{Addr: addr, Dialer: parley.Dialer{
		Protocol: serpy2.Protocol{},
		Hooks: parley.Hooks{OnOpen: func(ctx context.Context, c *parley.Conn) error {
			return c.Send(ctx, parley.Text("ann"))
		}},
	}}
	defer client.Close()
	seen := 0
	for m, err := range client.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Text())
		if seen++; seen == 2 {
			break
		}
		for _, c := range srv.Conns() {
			c.CloseNow() // the line is cut
		}
	}
	// Output:
	// news for ann
	// news for ann
}

// Both peers use the same plugins, here one that finds damage. Package plugin/seal
// encrypts, and plugin/zstd compresses.
func ExamplePlugin() {
	plugins := []parley.Plugin{checksum.Plugin{}}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Plugins: plugins, Handler: parley.HandlerFunc(echo)}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: plugins}).Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	m, err := c.Call(ctx, parley.Text("hello"))
	fmt.Println(m.Text(), err)

	_, err = (&parley.Dialer{Protocol: oneline.Protocol{}, Plugins: plugins}).Dial(ctx, addr)
	fmt.Println(errors.Is(err, parley.ErrNoPlugins)) // its lines can't carry any bytes
	// Output:
	// hello <nil>
	// true
}
