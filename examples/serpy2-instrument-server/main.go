// Serpy2-instrument-server is an instrument that takes pictures: an int p asks
// for an image of 512 × 512 pixels, cos(x)·sin(y) over [0, p·π], as float32
// values in one bytes message. The text /KTHXBYE stops it, other values are
// ignored. It shows Frame, which makes a message of an image.
//
//	go run ./examples/serpy2-instrument-server
//	go run ./examples/serpy2-instrument-client
//
// The second line may as well be the original's
// examples/test_serpy2_2_instrumentClient.py.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/signal"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

const size = 512 // pixels in either direction

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("serpy2-instrument-server", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `host:port`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // connections print concurrently

	srv := &parley.Server{Protocol: serpy2.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		switch {
		case m.Type() == parley.TypeInt:
			out.Println(m)
			image, err := picture(m.Int()).Message()
			if err != nil {
				return err
			}
			return c.Send(ctx, image)
		case m.Type() == parley.TypeText && m.Text() == "/KTHXBYE":
			go srv.Shutdown(context.Background()) // not here: it waits for this handler
		default:
			out.Println(m, "ignored")
		}
		return nil
	})
	if err := srv.Listen(*addr); err != nil {
		return err
	}
	out.Println("listening on", srv.Addrs()[0])
	context.AfterFunc(ctx, func() { srv.Shutdown(context.Background()) })
	if err := srv.Serve(); !errors.Is(err, parley.ErrServerClosed) {
		return err
	}
	return nil
}

// picture takes the image p. Both ends of the interval belong to it, as with
// numpy's linspace.
func picture(p int64) serpy2.Frame[float32] {
	f := serpy2.Frame[float32]{Width: size, Height: size, Pix: make([]float32, 0, size*size)}
	end := float64(p) * math.Pi
	step := end / (size - 1)
	var cos, sin [size]float64
	for i := range size {
		at := float64(i) * step
		if i == size-1 {
			at = end // i·step may miss it by a rounding error
		}
		cos[i], sin[i] = math.Cos(at), math.Sin(at)
	}
	for y := range size {
		for x := range size {
			f.Pix = append(f.Pix, float32(cos[x]*sin[y]))
		}
	}
	return f
}
