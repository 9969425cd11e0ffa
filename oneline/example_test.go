package oneline_test

import (
	"context"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

// An instrument that is no original: it ends its lines with CR LF and speaks
// UTF-8. One command is answered with several lines.
func ExampleProtocol() {
	p := oneline.Protocol{EOL: "\r\n", UTF8: true}
	srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		if m.Text() != "Größe?" {
			return c.Send(ctx, parley.Text("ERROR"))
		}
		for _, v := range []float64{1.5, 2.25} {
			if err := c.Send(ctx, parley.Float(v)); err != nil {
				return err
			}
		}
		return nil
	})}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, p, srv.Addrs()[0].String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	first, err := c.Call(ctx, parley.Text("Größe?"))
	fmt.Println(first.Text(), err)
	second, err := c.Receive(ctx)
	fmt.Println(second.Text(), err)
	// Output:
	// 1.5 <nil>
	// 2.25 <nil>
}
