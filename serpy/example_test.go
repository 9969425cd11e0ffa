package serpy_test

import (
	"context"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// Each message says its mode, or goes in the protocol's. Confirm waits for the
// peer's acknowledgement and takes an acknowledged mode for it.
func Example() {
	latin1, err := serpy.LookupEncoding("latin-1")
	if err != nil {
		log.Fatal(err)
	}
	p := serpy.Protocol{Encoding: latin1}
	srv := &parley.Server{Protocol: p, Pull: true}
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
	dict := &pickle.Dict{Pairs: []pickle.Pair{{Key: "gain", Value: 3}, {Key: "on", Value: true}}}
	for _, m := range []parley.Message{
		parley.Text("Grüße"),
		parley.Bytes([]byte{0x01, 0x04, 0x1F}),
		parley.Object(dict),
	} {
		if err := c.Confirm(ctx, m); err != nil {
			log.Fatal(err)
		}
	}

	s, err := srv.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		m, err := s.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		mode, _ := serpy.Mode(m)
		if m.Type() == parley.TypeObject {
			fmt.Println(mode, m.Object())
			continue
		}
		fmt.Printf("%d %q\n", mode, m.Bytes())
	}
	// Output:
	// 1 "Gr\xfc\xdfe"
	// 3 "\x01\x04\x1f"
	// 5 {'gain': 3, 'on': True}
}
