package serpy2_test

import (
	"context"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// A camera: an int asks for a picture of that many columns.
func ExampleFrame() {
	const height = 2
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		width, ok := m.Int64()
		if !ok || width < 1 || width > 1000 {
			return c.Send(ctx, parley.Text("ask with an int from 1 to 1000"))
		}
		f := serpy2.Frame[uint16]{Width: int(width), Height: height}
		for i := range f.Width * f.Height {
			f.Pix = append(f.Pix, uint16(i))
		}
		picture, err := f.Message()
		if err != nil {
			return err
		}
		return c.Send(ctx, picture)
	})}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, srv.Addrs()[0].String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	m, err := c.Call(ctx, parley.Int(3))
	if err != nil {
		log.Fatal(err)
	}
	f, err := serpy2.ParseFrame[uint16](m, 3, height)
	fmt.Println(f.Pix, err)
	m, err = c.Call(ctx, parley.Float(3))
	fmt.Println(m.Text(), err)
	// Output:
	// [0 1 2 3 4 5] <nil>
	// ask with an int from 1 to 1000 <nil>
}
