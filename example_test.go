package parley_test

import (
	"context"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// listenAndServe starts srv on a free port for an example.
func listenAndServe(srv *parley.Server) (addr string) {
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	return srv.Addrs()[0].String()
}

// A simulated device that answers one command, and a client.
func Example() {
	srv := &parley.Server{
		Protocol: oneline.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "cmd01" {
				return c.Send(ctx, parley.Text("ack"))
			}
			return c.Send(ctx, parley.Text("nak - unknown cmd"))
		}),
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, oneline.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, cmd := range []string{"cmd01", "junk"} {
		answer, err := c.Call(ctx, parley.Text(cmd))
		fmt.Println(answer.Text(), err)
	}
	// Output:
	// ack <nil>
	// nak - unknown cmd <nil>
}

// A chat server: what one client says, all the others hear.
func ExampleServer_Broadcast() {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		_, err := srv.Broadcast(m, c)
		return err
	})
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	bob, err := parley.Dial(ctx, tinyproto.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()
	if err := bob.Confirm(ctx, parley.Text("is anybody here?")); err != nil {
		log.Fatal(err)
	}
	ann, err := parley.Dial(ctx, tinyproto.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer ann.Close()
	if err := ann.Confirm(ctx, parley.Text("hello")); err != nil {
		log.Fatal(err)
	}
	m, err := bob.Receive(ctx)
	fmt.Println(m.Text(), err)
	// Output: hello <nil>
}

// A server without a handler hands out its connections.
func ExampleServer_Accept() {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	go func() {
		c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
		if err != nil {
			log.Fatal(err)
		}
		c.Send(ctx, parley.Int(42))
		c.Send(ctx, parley.Float(1.5))
		c.Close()
	}()
	c, err := srv.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for m, err := range c.Messages(ctx) {
		fmt.Println(m, err)
	}
	// Output:
	// int 42 <nil>
	// float 1.5 <nil>
}

// A Client comes back by itself after its server was away.
func ExampleClient() {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	addr := listenAndServe(srv)
	defer srv.Close()

	client := &parley.Client{
		Dialer: parley.Dialer{Protocol: serpy2.Protocol{}},
		Addr:   addr,
	}
	defer client.Close()
	ctx := context.Background()
	for i := range 3 {
		m, err := client.Call(ctx, parley.Int(int64(i)))
		fmt.Println(m, err)
		if c, err := client.Conn(ctx); err == nil {
			c.CloseNow() // the line is cut
		}
	}
	// Output:
	// int 0 <nil>
	// int 1 <nil>
	// int 2 <nil>
}
