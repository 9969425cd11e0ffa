package demo

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// errQuit ends a connection whose client has asked for it.
var errQuit = errors.New("the client has quit")

// stopWord stops the sample servers of serpy and serpy2.
const stopWord = "/KTHXBYE"

func demoTinyproto(ctx context.Context, s *stage) error {
	var srv *parley.Server
	srv = &parley.Server{
		Protocol: tinyproto.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			switch m.Text() {
			case "QUIT":
				return errQuit
			case "SRVQUIT":
				go srv.Shutdown(context.WithoutCancel(ctx))
				return nil
			}
			return c.Send(ctx, parley.Text("Echo back: "+m.Text()))
		}),
	}
	clients, wait, err := s.meet(ctx, srv, "client 1", "client 2")
	if err != nil {
		return err
	}
	one, two := clients[0], clients[1]
	if err := steps(
		func() error { return asked(ctx, one, parley.Text("hello"), parley.Text("Echo back: hello")) },
		func() error { return one.Confirm(ctx, parley.Text("QUIT")) },
		func() error { return ended(ctx, one) },
		func() error {
			return asked(ctx, two, parley.Text("still here?"), parley.Text("Echo back: still here?"))
		},
		func() error { return two.Send(ctx, parley.Text("SRVQUIT")) },
		func() error { return ended(ctx, two) },
		wait,
	); err != nil {
		return err
	}
	return demoChat(ctx, s)
}

// ended checks that the peer ends the conversation.
func ended(ctx context.Context, c *parley.Conn) error {
	if m, err := c.Receive(ctx); !errors.Is(err, parley.ErrPeerClosed) {
		return fmt.Errorf("got %v, %v, want the end of the connection", m, err)
	}
	return nil
}

func demoChat(ctx context.Context, s *stage) error {
	var srv *parley.Server
	say := func(c *parley.Conn, text string) error {
		_, err := srv.Broadcast(parley.Text(fmt.Sprintf("[%d] %s", c.ID(), text)), c)
		return err
	}
	srv = &parley.Server{
		Protocol: tinyproto.Protocol{},
		Handler: parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
			return say(c, m.Text())
		}),
		Hooks: parley.Hooks{
			OnOpen:  func(_ context.Context, c *parley.Conn) error { return say(c, "**joined the chat") },
			OnClose: func(c *parley.Conn, _ error) { say(c, "**left the chat") },
		},
	}
	clients, wait, err := s.meet(ctx, srv, "Ann", "Bob")
	if err != nil {
		return err
	}
	ann, bob := clients[0], clients[1]
	return steps(
		func() error { return next(ctx, ann, parley.Text("[2] **joined the chat")) },
		func() error { return bob.Send(ctx, parley.Text("hello Ann")) },
		func() error { return next(ctx, ann, parley.Text("[2] hello Ann")) },
		func() error { return ann.Send(ctx, parley.Text("hello Bob")) },
		func() error { return next(ctx, bob, parley.Text("[1] hello Bob")) },
		bob.Close,
		func() error { return next(ctx, ann, parley.Text("[2] **left the chat")) },
		ann.Close,
		func() error { return srv.Shutdown(ctx) },
		wait,
	)
}

func demoSerpy(ctx context.Context, s *stage) error {
	var srv *parley.Server
	srv = &parley.Server{
		Protocol: serpy.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == stopWord {
				go srv.Shutdown(context.WithoutCancel(ctx))
				return nil
			}
			if mode, _ := serpy.Mode(m); mode < 2 {
				m = serpy.WithMode(parley.Text(m.Text()), mode) // bytes would change the mode
			}
			_, err := srv.Broadcast(m, c)
			return err
		}),
	}
	clients, wait, err := s.meet(ctx, srv, "Ann", "Bob")
	if err != nil {
		return err
	}
	ann, bob := clients[0], clients[1]
	reading := parley.Object(&pickle.Dict{})
	return steps(
		func() error { return ann.Send(ctx, parley.Text("Ann: hello")) },
		func() error { return next(ctx, bob, parley.Text("Ann: hello")) },
		func() error { return bob.Confirm(ctx, parley.Text("Bob: acknowledged, in mode 1")) },
		func() error { return next(ctx, ann, parley.Text("Bob: acknowledged, in mode 1")) },
		func() error { return ann.Send(ctx, parley.Bytes([]byte{0, 1, 4, 0x1f, 0xff})) },
		func() error { return next(ctx, bob, parley.Bytes([]byte{0, 1, 4, 0x1f, 0xff})) },
		func() error { return ann.Confirm(ctx, reading) },
		func() error {
			m, err := bob.Receive(ctx)
			if err == nil && m.Type() != parley.TypeObject {
				err = fmt.Errorf("got %v, want an object", m)
			}
			return err
		},
		func() error { return bob.Send(ctx, parley.Text(stopWord)) },
		func() error { return ended(ctx, ann) },
		func() error { return ended(ctx, bob) },
		wait,
	)
}

func demoSerpy2(ctx context.Context, s *stage) error {
	srv := &parley.Server{Protocol: serpy2.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		if m.Text() == stopWord {
			go srv.Shutdown(context.WithoutCancel(ctx))
			return nil
		}
		return c.Send(ctx, m)
	})
	clients, wait, err := s.meet(ctx, srv, "client")
	if err != nil {
		return err
	}
	c := clients[0]
	for _, m := range []parley.Message{parley.Int(-42), parley.Float(math.Pi), parley.Text("grüß dich"), parley.Bytes([]byte{0xde, 0xca, 0xfe})} {
		if err := asked(ctx, c, m, m); err != nil {
			return err
		}
	}
	if err := steps(func() error { return c.Send(ctx, parley.Text(stopWord)) }, func() error { return ended(ctx, c) }, wait); err != nil {
		return err
	}
	return demoInstrument(ctx, s)
}

// demoInstrument asks an instrument for an image of 512 × 512 float32.
func demoInstrument(ctx context.Context, s *stage) error {
	srv := &parley.Server{Protocol: serpy2.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		switch {
		case m.Type() == parley.TypeInt:
			image, err := wave(m.Int()).Message()
			if err != nil {
				return err
			}
			return c.Send(ctx, image)
		case m.Text() == stopWord:
			go srv.Shutdown(context.WithoutCancel(ctx))
		}
		return nil
	})
	clients, wait, err := s.meet(ctx, srv, "client")
	if err != nil {
		return err
	}
	c := clients[0]
	m, err := c.Call(ctx, parley.Int(3))
	if err != nil {
		return err
	}
	f, err := serpy2.ParseFrame[float32](m, 512, 512)
	if err != nil {
		return err
	}
	least, most := f.Pix[0], f.Pix[0]
	for i, v := range wave(3).Pix {
		if f.Pix[i] != v {
			return fmt.Errorf("pixel %d is %v, want %v", i, f.Pix[i], v)
		}
		least, most = min(least, v), max(most, v)
	}
	fmt.Fprintf(s.w, "  %9s has an image of %d × %d float32 from %.3f to %.3f, every pixel checked\n", "client", f.Width, f.Height, least, most)
	return steps(func() error { return c.Send(ctx, parley.Text(stopWord)) }, func() error { return ended(ctx, c) }, wait)
}

// wave is the sample instrument's image: cos(x)·sin(y) over [0, p·π].
func wave(p int64) serpy2.Frame[float32] {
	const n = 512
	f := serpy2.Frame[float32]{Width: n, Height: n, Pix: make([]float32, n*n)}
	step := float64(p) * math.Pi / (n - 1)
	for y := range n {
		for x := range n {
			f.Pix[y*n+x] = float32(math.Cos(float64(x)*step) * math.Sin(float64(y)*step))
		}
	}
	return f
}
