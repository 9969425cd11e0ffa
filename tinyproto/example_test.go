package tinyproto_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// hasher answers a message with its hash, and a large one, which it takes as a
// stream, too.
type hasher struct{}

func (hasher) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, parley.Text(fmt.Sprintf("%x", sha256.Sum256(m.Bytes()))))
}

func (hasher) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	h := sha256.New()
	if _, err := io.Copy(h, s); err != nil {
		return err
	}
	return c.Send(ctx, parley.Text(fmt.Sprintf("%d bytes, %x…", s.Size(), h.Sum(nil)[:4])))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// 100 MB from a reader to a hash; neither side ever has the message in memory.
func Example() {
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Handler:  hasher{},
		Limits:   parley.Limits{MaxMessage: 1 << 20}, // what is larger is a stream
	}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, tinyproto.Protocol{}, srv.Addrs()[0].String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.SendStream(ctx, 100_000_000, zeros{}); err != nil {
		log.Fatal(err)
	}
	m, err := c.Receive(ctx)
	fmt.Println(m.Text(), err)
	// Output: 100000000 bytes, a993f8c5… <nil>
}
