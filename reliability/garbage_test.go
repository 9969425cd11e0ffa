package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// Random bytes, and bytes that begin like the wire, against a live server.
//
// Verifies: RUNTIME-48
func TestGarbage(t *testing.T) {
	eachForm(t, func(t *testing.T, d driver, w form) {
		together(t)
		v := newVictim(t)
		addr := listenUnix(t, d, &parley.Server{Protocol: w.protocol, Handler: politeEcho, Hooks: v.hooks(), IgnoreShutdownRequest: true})
		pieces := []string{w.hello, w.text("sound"), "\xff", "\x00", "\x01SETMODE", "\x01ACKEOT!!\x1f", "\x04\x1f", "\xde\xca\xfe\xca\xfe", "\n", "\r", tinyHead(0xF0FFFFFF), tinyHead(0xF1000000), serpy2Head(0x11, 0, 3)}
		count := scale(10_000, 300)
		for seed := range uint64(count) {
			rng := rand.New(rand.NewPCG(seed, 0))
			input := []byte(w.hello)
			if seed%4 == 0 {
				input = nil
			}
			for range 1 + rng.IntN(8) {
				if rng.IntN(2) == 0 {
					input = append(input, pieces[rng.IntN(len(pieces))]...)
					continue
				}
				for range rng.IntN(40) {
					input = append(input, byte(rng.Uint32()))
				}
			}
			what := fmt.Sprintf("seed %d, %.60q", seed, input)
			v.fed(what)
			feedServer(t, what, addr, input)
		}
		v.fed("an honest client")
		wantEcho(t, w, "unix:"+addr)
		figure(t, "%d inputs: 0 panics, 0 hangs, ends and losses: %v", count, v.ends())
	})
}

// One bad message on a connection where the wire can tell where the next one
// begins costs that message only.
//
// Verifies: RUNTIME-42, SERPY-26, SERPY2-10, SERPY2-12, SERPY2-13, ONELINE-20
func TestOneBadMessage(t *testing.T) {
	block := func(typ byte, payload string) string { return serpy2Block(typ, payload) }
	cases := []struct {
		name, wire, bad string
		lost            int
	}{
		{"checksum", "serpy2", serpy2Head(0x21, 1, 3) + "bad", 1},
		{"length one less", "serpy2", serpy2Head(0x21, 'b'+'a'+'d', 2) + "bad", 2}, // and what is left over
		{"type", "serpy2", block(0x77, "bad"), 1},
		{"float", "serpy2", block(0x11, "0x1.zp+3"), 1},
		{"UTF-8", "serpy2", block(0x21, "\xff\xfe"), 1},
		{"garbage", "serpy2", "garbage\xde\xca\xfe", 1},
		{"base85", "serpy", "\x01SETMODE2\x1f\"bad\"\x1f\x01SETMODE0\x1f", 1},
		{"base85 overflow", "serpy", "\x01SETMODE2\x1f~~~~~\x1f\x01SETMODE0\x1f", 1},
		{"pickle", "serpy", "\x01SETMODE4\x1fbad\x1f\x01SETMODE0\x1f", 1},
		{"mode", "serpy", "\x01SETMODEx\x1f", 1},
		{"mode that does not exist", "serpy", "\x01SETMODE9\x1fbad\x1f\x01SETMODE0\x1f", 1},
	}
	eachDriver(t, func(t *testing.T, d driver) {
		for _, c := range cases {
			t.Run(c.wire+"/"+c.name, func(t *testing.T) {
				w := formOf(c.wire)
				v := newVictim(t)
				got := make(chan string, 10)
				addr := start(t, d, &parley.Server{Protocol: w.protocol, Hooks: v.hooks(), Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
					got <- m.Text()
					return nil
				})})
				input := w.text("before") + c.bad + w.text("behind")
				v.fed(c.name)
				nc := connect(t, addr)
				io.WriteString(nc, input)
				for _, want := range []string{"before", "behind"} {
					select {
					case text := <-got:
						if text != want {
							t.Errorf("got %q, want %q", text, want)
						}
					case <-time.After(patience):
						t.Fatalf("%q did not arrive", want)
					}
				}
				nc.CloseWrite()
				if err := <-v.closes; !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("the connection ended with %v", err)
				}
				if n := v.ends()["message lost"]; n != c.lost {
					t.Errorf("%d messages were reported lost, want %d", n, c.lost)
				}
			})
		}
	})
}
