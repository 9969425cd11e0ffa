// Images is a pipeline on serpy2: a camera sends frames, a server makes each dark
// pixel darker and sends it back, and a client counts.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

const width, height = 64, 48

func main() {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(threshold)}
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
	n, err := process(ctx, c, 100)
	fmt.Println(n, "frames", err)
}

// threshold is the stage in the middle.
func threshold(ctx context.Context, c *parley.Conn, m parley.Message) error {
	f, err := serpy2.ParseFrame[uint8](m, width, height)
	if err != nil {
		return err
	}
	for i, p := range f.Pix {
		if p < 128 {
			f.Pix[i] = 0
		}
	}
	out, err := f.Message()
	if err != nil {
		return err
	}
	return c.Send(ctx, out)
}

// process sends frames as fast as the peer takes them, and receives what comes back.
func process(ctx context.Context, c *parley.Conn, frames int) (n int, err error) {
	sent := make(chan error, 1)
	go func() {
		for i := range frames {
			f := serpy2.Frame[uint8]{Width: width, Height: height, Pix: make([]uint8, width*height)}
			for j := range f.Pix {
				f.Pix[j] = uint8(i + j)
			}
			m, err := f.Message()
			if err == nil {
				err = c.Send(ctx, m)
			}
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for ; n < frames; n++ {
		m, err := c.Receive(ctx)
		if err != nil {
			return n, err
		}
		f, err := serpy2.ParseFrame[uint8](m, width, height)
		if err != nil {
			return n, err
		}
		for j, p := range f.Pix {
			if want := uint8(n + j); p != want && !(p == 0 && want < 128) {
				return n, fmt.Errorf("frame %d, pixel %d is %d", n, j, p)
			}
		}
	}
	return n, <-sent
}
