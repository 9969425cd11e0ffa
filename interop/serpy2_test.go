package interop

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// serpy2Values are values of every type and size class.
func serpy2Values() []sample {
	values := []sample{
		{"0", parley.Int(0)},
		{"1", parley.Int(1)},
		{"-1", parley.Int(-1)},
		{"2**63 - 1", parley.Int(math.MaxInt64)},
		{"-2**63", parley.Int(math.MinInt64)},

		{"0.0", parley.Float(0)},
		{"-0.0", parley.Float(math.Copysign(0, -1))},
		{"12.35", parley.Float(12.35)},
		{"-1/3", parley.Float(-1.0 / 3)},
		{"math.pi", parley.Float(math.Pi)},
		{"sys.float_info.max", parley.Float(math.MaxFloat64)},
		{"sys.float_info.min", parley.Float(0x1p-1022)},
		{"5e-324", parley.Float(math.SmallestNonzeroFloat64)},
		{"float.fromhex('0x0.fffffffffffffp-1022')", parley.Float(0x0.fffffffffffffp-1022)},
		{"math.inf", parley.Float(math.Inf(1))},
		{"-math.inf", parley.Float(math.Inf(-1))},
		{"math.nan", parley.Float(math.NaN())},

		{"''", parley.Text("")},
		{"'Grüße, 世界 😀'", parley.Text("Grüße, 世界 😀")},
		{`'a\0b'`, parley.Text("a\x00b")},

		{`b'\xde\xca\xfe\xca\xfe'`, parley.Bytes([]byte("\xde\xca\xfe\xca\xfe"))},
	}
	for _, size := range []int{0, 1, small, large} {
		values = append(values, mixed(size), letters(size))
	}
	return values
}

func TestSerpy2OriginalServer(t *testing.T) {
	each(t, func(t *testing.T, o origin) {
		t.Run("values", func(t *testing.T) {
			t.Parallel()
			p := o.start(t)
			c := dial(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, get[int](p, "listen", nil))
			p.do("accept", nil)
			serpy2Exchange(t, p, c)
		})

		t.Run("bursts", func(t *testing.T) {
			t.Parallel()
			p := o.start(t)
			c := dial(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, get[int](p, "listen", nil))
			p.do("accept", nil)
			serpy2Bursts(t, p, c)
		})

		t.Run("server closes", func(t *testing.T) {
			t.Parallel()
			p := o.start(t)
			c := dial(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, get[int](p, "listen", nil))
			p.do("accept", nil)
			p.do("stop", nil)
			if _, err := c.Receive(soon(t)); !errors.Is(err, parley.ErrPeerClosed) {
				t.Errorf("got %v, want ErrPeerClosed", err)
			}
		})

		t.Run("client closes", func(t *testing.T) {
			t.Parallel()
			p := o.start(t)
			c := dial(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, get[int](p, "listen", nil))
			p.do("accept", nil)
			lastWords(t, c)
			for _, want := range words {
				same(t, "to the original", get[described](p, "recv", nil), describe(want))
			}
			p.do("broken", nil)
		})
	}, "serpy2")
}

func TestSerpy2OriginalClient(t *testing.T) {
	each(t, func(t *testing.T, o origin) {
		t.Run("values", func(t *testing.T) {
			t.Parallel()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
			port := serve(t, srv)
			p := o.start(t)
			p.do("connect", args{"port": port})
			serpy2Exchange(t, p, accept(t, srv))
		})

		t.Run("bursts", func(t *testing.T) {
			t.Parallel()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
			port := serve(t, srv)
			p := o.start(t)
			p.do("connect", args{"port": port})
			serpy2Bursts(t, p, accept(t, srv))
		})

		t.Run("broadcast", func(t *testing.T) {
			t.Parallel()
			srv := &parley.Server{Protocol: serpy2.Protocol{}}
			srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
				_, err := srv.Broadcast(m, c)
				return err
			})
			opened := make(chan bool, 3)
			srv.Hooks.OnOpen = func(context.Context, *parley.Conn) error { opened <- true; return nil }
			port := serve(t, srv)
			var clients []*process
			for range 3 {
				p := o.start(t)
				p.do("connect", args{"port": port})
				<-opened
				clients = append(clients, p)
			}
			for i, p := range clients {
				m := parley.Int(int64(i))
				p.do("send", args{"value": m.Text()})
				for j, other := range clients {
					if i != j {
						same(t, "relayed", get[described](other, "recv", nil), describe(m))
					}
				}
			}
		})

		t.Run("server closes", func(t *testing.T) {
			t.Parallel()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
			port := serve(t, srv)
			p := o.start(t)
			p.do("connect", args{"port": port})
			lastWords(t, accept(t, srv))
			for _, want := range words {
				same(t, "to the original", get[described](p, "recv", nil), describe(want))
			}
			p.do("broken", nil)
		})

		t.Run("client closes", func(t *testing.T) {
			t.Parallel()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
			port := serve(t, srv)
			p := o.start(t)
			p.do("connect", args{"port": port})
			c := accept(t, srv)
			p.do("close", nil)
			if _, err := c.Receive(soon(t)); !errors.Is(err, parley.ErrPeerClosed) {
				t.Errorf("got %v, want ErrPeerClosed", err)
			}
		})
	}, "serpy2")
}

// serpy2Exchange sends every value there and back, and an image.
func serpy2Exchange(t *testing.T, p *process, c *parley.Conn) {
	for _, s := range serpy2Values() {
		send(t, c, s.message)
		same(t, "to the original, "+s.python, get[described](p, "recv", nil), describe(s.message))
		p.do("send", args{"value": s.python})
		same(t, "from the original, "+s.python, describe(receive(t, c)), describe(s.message))
	}

	const width, height = 512, 512
	image := serpy2.Frame[float32]{Width: width, Height: height, Pix: make([]float32, width*height)}
	for y := range height {
		for x := range width {
			image.Pix[y*width+x] = float32(x)/2 - float32(y)/4
		}
	}
	const python = "struct.pack('<%df' % 512**2, *(x/2 - y/4 for y in range(512) for x in range(512)))"
	m, err := image.Message()
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, m)
	p.do("recv", nil)
	same(t, "the original has the image", get[described](p, "look", args{"text": "got == " + python}), describe(parley.Object(true)))
	p.do("send", args{"value": python})
	got, err := serpy2.ParseFrame[float32](receive(t, c), width, height)
	if err != nil {
		t.Fatal(err)
	}
	for i := range image.Pix {
		if got.Pix[i] != image.Pix[i] {
			t.Fatalf("pixel %d is %v, want %v", i, got.Pix[i], image.Pix[i])
		}
	}
}

// serpy2Bursts sends many values at once, in both directions.
func serpy2Bursts(t *testing.T, p *process, c *parley.Conn) {
	const n = 30
	p.ask("send", args{"value": "12.5", "times": n})
	for i := range n {
		send(t, c, parley.Int(int64(i)))
	}
	p.answer()
	for i := range n {
		same(t, "to the original", get[described](p, "recv", nil), describe(parley.Int(int64(i))))
		same(t, "from the original", describe(receive(t, c)), describe(parley.Float(12.5)))
	}
}
