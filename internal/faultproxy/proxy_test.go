package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of a test.
const patience = time.Minute

// pair connects through a proxy to a server that does nothing, and returns both
// ends.
func pair(t *testing.T, f Faults) (p *Proxy, client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err = Listen(l.Addr().String(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	waitLen(t, p, 1)
	for _, nc := range []net.Conn{c, s} {
		nc.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { nc.Close() })
	}
	return p, c.(*net.TCPConn), s.(*net.TCPConn)
}

func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// Whatever the faults, the bytes and the ends of both directions arrive, in
// order.
func TestBytesArriveInOrder(t *testing.T) {
	for name, f := range map[string]Faults{
		"none":      {},
		"slices":    {Seed: 1, Slice: 9},
		"delay":     {Seed: 2, Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond},
		"bandwidth": {Seed: 3, Bandwidth: 1 << 20},
		"stalls":    {Seed: 4, StallChance: 0.5, Stall: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			_, client, server := pair(t, f)
			data := random(30_000)
			var wg sync.WaitGroup
			for _, c := range []*net.TCPConn{client, server} {
				wg.Go(func() {
					c.Write(data)
					c.CloseWrite()
				})
				wg.Go(func() {
					if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%d bytes, %v, equal %v", len(got), err, bytes.Equal(got, data))
					}
				})
			}
			wg.Wait()
		})
	}
}

// Delay and bandwidth take the time they say, and what is under way is delayed
// at once, not one piece after the other.
func TestTime(t *testing.T) {
	for name, c := range map[string]struct {
		f     Faults
		bytes int
		least time.Duration
	}{
		"delay":     {Faults{Delay: 500 * time.Millisecond}, 1_000_000, 500 * time.Millisecond}, // one after the other its pieces would take more than 30 s
		"bandwidth": {Faults{Bandwidth: 100_000}, 20_000, 200 * time.Millisecond},
		"stall":     {Faults{StallChance: 1, Stall: 200 * time.Millisecond}, 1, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			_, client, server := pair(t, c.f)
			start := time.Now()
			go func() { client.Write(random(c.bytes)); client.CloseWrite() }()
			if got, err := io.ReadAll(server); len(got) != c.bytes || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if took := time.Since(start); took < c.least || took > c.least+25*time.Second {
				t.Errorf("it took %v, want %v", took, c.least)
			}
		})
	}
}

// Slices cut: the reader finds small pieces when they come slowly, unless it is
// late, which it is not each time.
func TestSlice(t *testing.T) {
	n := 0
	for range 20 {
		p, client, server := pair(t, Faults{Seed: 7, Slice: 3, Bandwidth: 10})
		if _, err := client.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		var err error
		if n, err = server.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if n <= 3 {
			return
		}
	}
	t.Errorf("the first piece has always more than 3 bytes, at last %d", n)
}

// After its bytes a connection is reset at both ends; none more arrive.
func TestResetAfter(t *testing.T) {
	for _, d := range []Direction{ToServer, ToClient} {
		var f Faults
		f.ResetAfter[d] = 10
		p, client, server := pair(t, f)
		from, to := client, server
		if d == ToClient {
			from, to = server, client
		}
		from.Write(make([]byte, 15))
		got, err := io.ReadAll(to)
		if len(got) > 10 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the receiver got %d bytes and %v", len(got), err)
		}
		if _, err := io.ReadAll(from); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the sender got %v", err)
		}
		waitLen(t, p, 0)
	}
}

// After its bytes a direction ends; the other goes on.
func TestFinAfter(t *testing.T) {
	for _, d := range []Direction{ToServer, ToClient} {
		var f Faults
		f.FinAfter[d] = 10
		_, client, server := pair(t, f)
		from, to := client, server
		if d == ToClient {
			from, to = server, client
		}
		from.Write(make([]byte, 15))
		if got, err := io.ReadAll(to); len(got) != 10 || err != nil {
			t.Errorf("the receiver got %d bytes and %v", len(got), err)
		}
		from.Write(make([]byte, 15)) // into the void
		to.Write([]byte("still there"))
		to.CloseWrite()
		if got, err := io.ReadAll(from); string(got) != "still there" || err != nil {
			t.Errorf("the other direction: %q, %v", got, err)
		}
	}
}

// A direction that is held lets nothing through, not even the end, while the
// other goes on; released, everything comes.
func TestHold(t *testing.T) {
	p, client, server := pair(t, Faults{})
	p.Hold(ToServer)
	client.Write([]byte("held"))
	client.CloseWrite()
	server.Write([]byte("free"))
	buf := make([]byte, 4)
	if _, err := io.ReadFull(client, buf); err != nil || string(buf) != "free" {
		t.Errorf("%q, %v", buf, err)
	}
	server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := server.Read(buf); n > 0 || err == io.EOF {
		t.Errorf("%d bytes, %v came through", n, err)
	}
	server.SetReadDeadline(time.Now().Add(patience))
	p.Release(ToServer)
	p.Release(ToServer)
	if got, err := io.ReadAll(server); string(got) != "held" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A reset by one end reaches the other; so does one of the proxy, and the proxy
// forgets the connections.
func TestReset(t *testing.T) {
	p, client, server := pair(t, Faults{})
	client.SetLinger(0)
	client.Close()
	if _, err := io.ReadAll(server); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a reset by the client: %v", err)
	}
	waitLen(t, p, 0)

	p, client, server = pair(t, Faults{})
	p.Hold(ToClient) // a reset is stronger
	p.Reset()
	for _, c := range []*net.TCPConn{client, server} {
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a reset by the proxy: %v", err)
		}
	}
	waitLen(t, p, 0)
}

// waitLen waits until the proxy has n connections.
func waitLen(t *testing.T, p *Proxy, n int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if p.Len() == n {
			return
		}
	}
	t.Errorf("%d connections, want %d", p.Len(), n)
}

// A client of a proxy whose server does not listen is reset; a closed proxy
// refuses.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p, err := Listen(l.Addr().String(), Faults{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.Addr())
	if err == nil { // or the reset was faster than Dial
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("nobody listens: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("a closed proxy accepts")
	}
}

// Faults of connections to come can change.
func TestSetFaults(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := Listen(l.Addr().String(), Faults{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, want := range []string{"123", "1"} {
		var f Faults
		f.FinAfter[ToClient] = int64(i)
		p.SetFaults(f)
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(s, "123")
		s.Close()
		if got, err := io.ReadAll(c); string(got) != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}
