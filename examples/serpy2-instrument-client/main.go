// Serpy2-instrument-client asks an instrument for images and checks every
// pixel. Among its requests are values that the instrument ignores. It does so
// on ten connections, one after the other, and then stops the instrument. It
// shows ParseFrame, which makes an image of a message.
//
//	go run ./examples/serpy2-instrument-server
//	go run ./examples/serpy2-instrument-client
//
// The first line may as well be the original's
// examples/test_serpy2_2_instrumentServer.py.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

const (
	cycles = 10
	size   = 512 // pixels in either direction
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("serpy2-instrument-client", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "the instrument's `host:port`")
	flags.Parse(args)

	frames := 0
	start := time.Now()
	for range cycles {
		n, err := cycle(ctx, *addr)
		if err != nil {
			return err
		}
		frames += n
	}
	elapsed := time.Since(start)
	fmt.Fprintf(stdout, "%d frames of %d x %d, all right; %.0f frames per second\n",
		frames, size, size, float64(frames)/elapsed.Seconds())

	return stop(ctx, *addr)
}

// cycle is one connection. It returns how many images came.
func cycle(ctx context.Context, addr string) (frames int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		return 0, err
	}
	defer c.CloseNow() // on an error; after Close it does nothing

	requests := []parley.Message{
		parley.Int(1), parley.Text("hello"), parley.Float(12.35), parley.Float(-1e6),
		parley.Int(12), parley.Int(30), parley.Text("yes éµù utf8"),
	}
	for _, r := range requests {
		if err := c.Send(ctx, r); err != nil {
			return 0, err
		}
	}
	for _, r := range requests {
		if r.Type() != parley.TypeInt {
			continue // it is not answered
		}
		m, err := c.Receive(ctx)
		if err != nil {
			return 0, err
		}
		f, err := serpy2.ParseFrame[float32](m, size, size)
		if err != nil {
			return 0, err
		}
		if err := check(f, r.Int()); err != nil {
			return 0, err
		}
		frames++
	}
	return frames, c.Close()
}

// stop stops the server and waits until it closes the connection: an original
// drops what it has not yet looked at when its client closes first.
func stop(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	switch m, err := c.Call(ctx, parley.Text("/KTHXBYE")); {
	case errors.Is(err, parley.ErrPeerClosed):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("the server answered %v instead of stopping", m)
	}
}

// check compares f with cos(x)·sin(y) over [0, p·π].
func check(f serpy2.Frame[float32], p int64) error {
	scale := float64(p) * math.Pi / (size - 1)
	for i, got := range f.Pix {
		x, y := i%size, i/size
		want := math.Cos(float64(x)*scale) * math.Sin(float64(y)*scale)
		if math.Abs(float64(got)-want) > 1e-7 {
			return fmt.Errorf("image %d: the pixel at %d, %d is %v, not %v", p, x, y, got, want)
		}
	}
	return nil
}
