package netsim

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var harsh = Faults{Cut: true, Pause: 50 * time.Microsecond, Latency: 2 * time.Millisecond, Stall: 100 * time.Millisecond, Window: 5000}

// Everything written arrives once and in order, in both directions at once,
// and then the end does.
func TestBytesArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New(1, harsh).Pipe()
		var wg sync.WaitGroup
		for _, c := range []*Conn{a, b} {
			sent := random(c.side, 30_000)
			want := random(1-c.side, 30_000)
			wg.Go(func() {
				for p := sent; len(p) > 0; {
					n, err := c.Write(p[:min(len(p), 4000)])
					if err != nil {
						t.Error(err)
						return
					}
					p = p[n:]
				}
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, %v, equal %v", len(got), err, bytes.Equal(got, want))
				}
			})
		}
		wg.Wait()
		if read, written := a.Moved(); read != 30_000 || written != 30_000 {
			t.Errorf("moved %d and %d bytes", read, written)
		}
	})
}

func random(seed, n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// The same seed gives the same run, another one another.
func TestSeedDecides(t *testing.T) {
	run := func(seed uint64) (sum uint64) {
		synctest.Test(t, func(t *testing.T) {
			n := New(seed, harsh)
			a, b := n.Pipe()
			var wg sync.WaitGroup
			for _, c := range []*Conn{a, b} {
				wg.Go(func() { c.Write(random(c.side, 20_000)); c.CloseWrite() })
				wg.Go(func() { io.Copy(io.Discard, struct{ io.Reader }{c}) })
			}
			wg.Wait()
			sum = n.Fingerprint()
		})
		return sum
	}
	seen := map[uint64]uint64{}
	for seed := range uint64(50) {
		sum := run(seed)
		if again := run(seed); again != sum {
			t.Errorf("seed %d gave %x and %x", seed, sum, again)
		}
		if other, ok := seen[sum]; ok {
			t.Errorf("seeds %d and %d gave the same run", seed, other)
		}
		seen[sum] = seed
	}
}

// A close with unread input is a reset, and destroys what the peer has not
// read; a close without lets everything arrive.
func TestClose(t *testing.T) {
	for _, unread := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := New(1, Faults{}).Pipe()
			if _, err := a.Write([]byte("last words")); err != nil {
				t.Fatal(err)
			}
			if unread {
				b.Write([]byte("unread"))
			}
			a.Close()
			got, err := io.ReadAll(b)
			if unread && (len(got) > 0 || !errors.Is(err, syscall.ECONNRESET)) {
				t.Errorf("after a reset: %q, %v", got, err)
			}
			if !unread && (string(got) != "last words" || err != nil) {
				t.Errorf("after a close: %q, %v", got, err)
			}
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("reading a closed connection: %v", err)
			}
			if !unread {
				b.Write([]byte("too late")) // succeeds; the answer is a reset
			}
			if _, err := b.Write([]byte("again")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("writing to nobody: %v", err)
			}
		})
	}
}

// A connection is reset when it has moved its bytes, in either direction.
func TestResetAfter(t *testing.T) {
	for side := range 2 {
		synctest.Test(t, func(t *testing.T) {
			var f Faults
			f.ResetAfter[side] = 5
			f.Latency = time.Millisecond
			a, b := New(1, f).Pipe()
			from, to := a, b
			if side == 1 {
				from, to = b, a
			}
			from.Write([]byte("12345"))
			from.Write([]byte("67"))
			buf := make([]byte, 5)
			n, err := to.Read(buf)
			if n != 5 || err != nil {
				t.Fatalf("%q, %v", buf[:n], err)
			}
			for _, c := range []*Conn{a, b} {
				if _, err := c.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("reading: %v", err)
				}
				if _, err := c.Write(buf); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("writing: %v", err)
				}
			}
		})
	}
}

// Deadlines end reads and writes on time; a full window blocks a write, which
// then says how much has left.
func TestDeadlinesAndWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New(1, Faults{Window: 10}).Pipe()
		start := time.Now()
		a.SetDeadline(start.Add(time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading: %v", err)
		}
		a.SetDeadline(start.Add(3 * time.Second))
		if n, err := a.Write(make([]byte, 11)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing: %d, %v", n, err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
		a.SetDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			io.ReadFull(b, make([]byte, 7))
		}()
		if n, err := a.Write(make([]byte, 7)); n != 7 || err != nil {
			t.Errorf("writing again: %d, %v", n, err)
		}
		go func() {
			time.Sleep(time.Second)
			a.Close()
		}()
		if _, err := a.Write(make([]byte, 7)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a close did not end the write: %v", err)
		}
	})
}

// A part arrives no earlier than it left and no later than latency and stall
// allow.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Faults{Latency: 100 * time.Millisecond, Stall: time.Second}
		a, b := New(1, f).Pipe()
		stalls := 0
		for range 500 {
			start := time.Now()
			a.Write([]byte{1})
			b.Read(make([]byte, 1))
			switch took := time.Since(start); {
			case took >= f.Latency+f.Stall:
				t.Errorf("it took %v", took)
			case took >= f.Latency:
				stalls++
			}
		}
		if stalls == 0 || stalls > 30 {
			t.Errorf("%d of 500 stalled, want about 10", stalls)
		}
	})
}

// The listener hands out what is dialled, until it is closed.
func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1, Faults{})
		l := n.Listener()
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, "hello")
			c.Close()
		}()
		c, err := n.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		l.Close()
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := n.Dial(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if c.LocalAddr().String() != "netsim:dialing" || c.RemoteAddr().String() != "netsim:accepting" || l.Addr().Network() != "netsim" {
			t.Errorf("%v %v %v", c.LocalAddr(), c.RemoteAddr(), l.Addr())
		}
	})
}
