package zstd_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/plugin/seal"
	"github.com/parley-net/parley/plugin/zstd"
	"github.com/parley-net/parley/tinyproto"
)

// Compressed, then encrypted; each side has the same plugins in the same order.
func Example() {
	key := make([]byte, 32) // or PassphraseKey, where people share it
	rand.Read(key)
	plugins := func() []parley.Plugin {
		encrypt, err := seal.New(key)
		if err != nil {
			log.Fatal(err)
		}
		return []parley.Plugin{new(zstd.Plugin), encrypt}
	}
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Plugins:  plugins(),
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.Send(ctx, m)
		}),
	}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	defer srv.Close()

	d := parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: plugins()}
	ctx := context.Background()
	c, err := d.Dial(ctx, srv.Addrs()[0].String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	m, err := c.Call(ctx, parley.Text("nobody else reads this"))
	fmt.Println(m.Text(), err)
	// Output: nobody else reads this <nil>
}
