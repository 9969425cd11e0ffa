package tap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience bounds every wait of a test.
const patience = time.Minute

// running is a proxy between a test's client and a test's server.
type running struct {
	t      *testing.T
	p      *Proxy
	proxy  net.Listener
	target net.Listener
	stop   context.CancelFunc
	served chan error

	mu     sync.Mutex
	events []Event
	told   chan struct{} // closed when Watch has returned
}

// start starts a proxy. watch is called with every event, before it is kept.
func start(t *testing.T, network string, p *Proxy, watch func(Event)) *running {
	t.Helper()
	r := &running{t: t, p: p, target: listen(t, network), served: make(chan error, 1), told: make(chan struct{})}
	r.proxy = listen(t, network)
	if p.Dial == nil {
		p.Dial = dialer(r.target)
	}
	if p.MaxBehind == 0 {
		p.MaxBehind = 64 << 20
	}
	if p.Drain == 0 {
		p.Drain = patience
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.served <- p.Serve(ctx, r.proxy) }()
	go func() {
		defer close(r.told)
		p.Watch(func(ev Event) {
			if watch != nil {
				watch(ev)
			}
			r.mu.Lock()
			r.events = append(r.events, ev)
			r.mu.Unlock()
		}, func() {})
	}()
	t.Cleanup(func() { r.end() })
	return r
}

// dialer returns what connects to l.
func dialer(l net.Listener) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, l.Addr().Network(), l.Addr().String())
	}
}

func listen(t *testing.T, network string) net.Listener {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// end stops the proxy and returns all events.
func (r *running) end() []Event {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.served:
		if err != nil {
			r.t.Errorf("Serve returned %v", err)
		}
		r.served <- nil // for the next call
	case <-time.After(patience):
		r.t.Fatal("Serve does not return")
	}
	<-r.told
	return r.events
}

// dial returns both ends of a connection through the proxy.
func (r *running) dial() (client, server net.Conn) {
	r.t.Helper()
	client, err := net.Dial(r.proxy.Addr().Network(), r.proxy.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	server, err = r.target.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		c.SetDeadline(time.Now().Add(patience))
		r.t.Cleanup(func() { c.Close() })
	}
	return client, server
}

// isReset connects and checks that the proxy resets the connection.
func (r *running) isReset() {
	r.t.Helper()
	client, err := net.Dial(r.proxy.Addr().Network(), r.proxy.Addr().String())
	if err == nil {
		defer client.Close()
		_, err = client.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		r.t.Errorf("the client sees %v", err)
	}
}

// stream returns what the events say a side has said on a connection.
func stream(events []Event, conn uint64, from wire.Role) string {
	var b strings.Builder
	for _, ev := range events {
		if ev.Conn == conn && ev.From == from {
			b.Write(ev.Data)
		}
	}
	return b.String()
}

// kinds returns the kinds of the events that are no data.
func kinds(events []Event) string {
	names := map[EventKind]string{Opened: "opened", Failed: "failed", Missed: "missed", Ended: "ended", Reset: "reset", Closed: "closed"}
	var all []string
	for _, ev := range events {
		if ev.Kind != Data {
			all = append(all, names[ev.Kind])
		}
	}
	return strings.Join(all, " ")
}

func random(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// Several connections at once, both directions of each at once, in random
// pieces: every byte arrives, and every byte is told.
func TestEveryByte(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			r := start(t, network, &Proxy{}, nil)
			var wg sync.WaitGroup
			sent := make(map[string]bool)
			for i := range uint64(5) {
				client, server := r.dial()
				for j, ends := range [][2]net.Conn{{client, server}, {server, client}} {
					want := random(2*i+uint64(j), 1<<20)
					sent[string(want)] = true
					wg.Go(func() {
						rng := rand.New(rand.NewPCG(i, 2))
						for rest := want; len(rest) > 0; {
							n := min(len(rest), 1+rng.IntN(100_000))
							if _, err := ends[0].Write(rest[:n]); err != nil {
								t.Error(err)
								return
							}
							rest = rest[n:]
						}
						ends[0].(interface{ CloseWrite() error }).CloseWrite()
					})
					wg.Go(func() {
						got, err := io.ReadAll(ends[1])
						if err != nil || !bytes.Equal(got, want) {
							t.Errorf("%d bytes arrived, error %v; want %d", len(got), err, len(want))
						}
					})
				}
			}
			wg.Wait()
			events := r.end()
			for conn := range uint64(5) {
				for _, from := range []wire.Role{wire.Dialing, wire.Accepting} {
					if s := stream(events, conn+1, from); !sent[s] {
						t.Errorf("connection %d, %v: %d bytes were told, or not those sent", conn+1, from, len(s))
					} else {
						delete(sent, s)
					}
				}
			}
		})
	}
}

// A client that has said all still gets the answer.
func TestHalfClose(t *testing.T) {
	r := start(t, "tcp", &Proxy{}, nil)
	client, server := r.dial()
	io.WriteString(client, "question")
	client.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(server); string(got) != "question" || err != nil {
		t.Fatalf("the server read %q, %v", got, err)
	}
	io.WriteString(server, "answer")
	server.Close()
	if got, err := io.ReadAll(client); string(got) != "answer" || err != nil {
		t.Fatalf("the client read %q, %v", got, err)
	}
	if got := kinds(r.end()); got != "opened ended ended closed" {
		t.Errorf("told %s", got)
	}
}

// A reset of one side is a reset for the other.
func TestReset(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			r := start(t, "tcp", &Proxy{}, nil)
			client, server := r.dial()
			one, other := client, server
			if who == "server" {
				one, other = server, client
			}
			io.WriteString(one, "x")
			io.ReadFull(other, make([]byte, 1))
			one.(*net.TCPConn).SetLinger(0)
			one.Close()
			if _, err := other.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other side sees %v", err)
			}
			if got := kinds(r.end()); got != "opened reset closed" {
				t.Errorf("told %s", got)
			}
		})
	}
}

// A server that has closed resets a client that goes on.
func TestWritingToNobody(t *testing.T) {
	r := start(t, "tcp", &Proxy{}, nil)
	client, server := r.dial()
	server.Close()
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
		t.Fatalf("the client read %q, %v", got, err)
	}
	for {
		if _, err := client.Write([]byte("x")); err != nil {
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
			return
		}
		runtime.Gosched()
	}
}

// Nothing is read from a side whose peer does not read.
func TestBackpressure(t *testing.T) {
	r := start(t, "tcp", &Proxy{}, nil)
	client, server := r.dial()
	for _, c := range []net.Conn{client, server} {
		c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		c.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	client.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := io.Copy(client, io.LimitReader(zeros{}, 1<<30))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("%d bytes went to a server that reads none, error %v", n, err)
	}
	client.(*net.TCPConn).CloseWrite()
	if got, err := io.Copy(io.Discard, server); got != n || err != nil {
		t.Errorf("%d of %d bytes arrived, error %v", got, n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Whoever watches may take all the time in the world: the traffic goes on, and
// what does not fit is missed, not the events.
func TestSlowWatcher(t *testing.T) {
	release := make(chan struct{})
	r := start(t, "tcp", &Proxy{MaxBehind: 1 << 20}, func(Event) { <-release })
	client, server := r.dial()
	const size = 8 << 20
	go func() {
		io.CopyN(client, zeros{}, size)
		client.(*net.TCPConn).CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, server); n != size || err != nil {
		t.Fatalf("%d bytes arrived, error %v", n, err)
	}
	server.Close()
	close(release)
	events := r.end()
	kept, missed := 0, 0
	for _, ev := range events {
		kept += len(ev.Data)
		missed += ev.N
	}
	if kept+missed != size || kept > 1<<20 || missed == 0 {
		t.Errorf("%d bytes kept, %d missed", kept, missed)
	}
	if last := events[len(events)-1]; last.Kind != Closed {
		t.Errorf("the last event is %v", last.Kind)
	}
}

// Cause comes before effect: an echo is told behind what it echoes.
func TestOrder(t *testing.T) {
	r := start(t, "tcp", &Proxy{}, nil)
	client, server := r.dial()
	go io.Copy(server, server)
	for i := range 200 {
		p := []byte{byte(i)}
		client.Write(p)
		if _, err := io.ReadFull(client, p); err != nil {
			t.Fatal(err)
		}
	}
	client.Close()
	said := 0
	var last time.Time
	for _, ev := range r.end() {
		if ev.Time.Before(last) {
			t.Error("an event is older than the one before")
		}
		last = ev.Time
		if ev.Kind == Data {
			if want := wire.Role(said & 1); ev.From != want || ev.Data[0] != byte(said/2) {
				t.Fatalf("event %d is % x of %v", said, ev.Data, ev.From)
			}
			said++
		}
	}
	if said != 400 {
		t.Errorf("%d pieces of data", said)
	}
}
