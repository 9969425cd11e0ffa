package reliability

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// A form is how a bare peer speaks a wire.
type form struct {
	name     string
	protocol parley.Protocol
	hello    string // what a client says first
	welcome  string // what a server answers to that, or says of itself
	text     func(s string) string
	// opens is how many bytes of the hello open a connection at a server.
	opens int
}

var forms = []form{
	{"oneline", oneline.Protocol{}, "ping\n", "pong\n", func(s string) string { return s + "\n" }, 0},
	{"tinyproto", tinyproto.Protocol{}, "\xff", "\xff", func(s string) string { return tinyHead(uint32(len(s))) + s }, 1},
	{"serpy", serpy.Protocol{}, "", "", func(s string) string { return s + "\x1f" }, 0},
	{"serpy-acknowledged", serpy.Protocol{Mode: 1}, "", "", func(s string) string { return "\x01SETMODE1\x1f" + s + "\x04\x1f" }, 0},
	{"serpy2", serpy2.Protocol{}, "", "", func(s string) string { return serpy2Block(0x21, s) }, 0},
	{"line", line.Protocol{}, "", "", func(s string) string { return s + "\n" }, 0},
	{"frame", frame.Protocol{Size: frame.U32BE, Strip: frame.Head}, "", "", func(s string) string { return tinyHead(uint32(len(s))) + s }, 0},
}

// eachForm runs f as a subtest with every driver and wire.
func eachForm(t *testing.T, f func(t *testing.T, d driver, w form)) {
	eachDriver(t, func(t *testing.T, d driver) {
		for _, w := range forms {
			t.Run(w.name, func(t *testing.T) { f(t, d, w) })
		}
	})
}

func tinyHead(size uint32) string { return string(binary.BigEndian.AppendUint32(nil, size)) }

func serpy2Block(typ byte, payload string) string {
	sum := uint32(0)
	for i := range len(payload) {
		sum += uint32(payload[i])
	}
	return serpy2Head(typ, sum, uint32(len(payload))) + payload
}

func serpy2Head(typ byte, sum, size uint32) string {
	b := append([]byte("\xde\xca\xfe\xca\xfe"), typ)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return string(binary.LittleEndian.AppendUint32(b, size))
}

// echo answers every message with itself.
var echo = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, m)
})

// start runs srv with the driver on a free loopback port until the test ends.
func start(t *testing.T, d driver, srv *parley.Server) (addr string) {
	t.Helper()
	d.use(srv)
	return parleytest.NewServer(t, srv)
}

// connect dials with a bare connection.
func connect(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

// hear reads as many bytes as want has, and compares.
func hear(nc io.Reader, want string) error {
	got := make([]byte, len(want))
	if n, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		return fmt.Errorf("heard %.40q, %v, want %.40q", got[:n], err, want)
	}
	return nil
}

// bounded returns a context that ends a test that hangs.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial connects as an honest client.
func dial(t *testing.T, w form, addr string) *parley.Conn {
	t.Helper()
	c, err := parley.Dial(bounded(t), w.protocol, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// wantEcho is one honest conversation on a connection of its own. It returns
// how long it took.
func wantEcho(t *testing.T, w form, addr string) time.Duration {
	t.Helper()
	start := time.Now()
	if err := honestly(t, w, addr); err != nil {
		t.Fatalf("an honest client: %v", err)
	}
	return time.Since(start)
}

// honestly is wantEcho for a server that may lose its patience first.
func honestly(t *testing.T, w form, addr string) error {
	c, err := parley.Dial(bounded(t), w.protocol, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Call(bounded(t), parley.Text("honest"))
	if err == nil && m.Text() != "honest" {
		err = fmt.Errorf("the answer is %v", m)
	}
	return err
}

// latencies makes calls on c, one after the other, until stop is closed or d is
// over, and returns their times in order of size.
func latencies(c *parley.Conn, d time.Duration) (times []time.Duration, err error) {
	body := parley.Text("an honest message of an honest client, as short as most of them")
	ctx, cancel := context.WithTimeout(context.Background(), d+patience)
	defer cancel()
	for end := time.Now().Add(d); time.Now().Before(end); {
		start := time.Now()
		if _, err := c.Call(ctx, body); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times, nil
}

// percentile returns the p-th of sorted times.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[min(len(times)-1, int(float64(len(times))*p/100))]
}

// disturbed measures an honest client on c alone and then while attack runs,
// and compares. attack begins and returns what ends it. In the full mode the
// 99th percentile must stay below twice the undisturbed one, in one of three
// tries: other programs disturb too.
func disturbed(t *testing.T, c *parley.Conn, d time.Duration, attack func() (end func())) string {
	t.Helper()
	best, text := 0.0, ""
	for try := range 3 {
		calm, err := latencies(c, d)
		if err != nil {
			t.Fatalf("undisturbed: %v", err)
		}
		end := attack()
		under, err := latencies(c, d)
		end()
		if err != nil {
			t.Fatalf("under attack: %v", err)
		}
		ratio := float64(percentile(under, 99)) / float64(percentile(calm, 99))
		if try == 0 || ratio < best {
			best = ratio
			text = fmt.Sprintf("honest p99 %v, undisturbed %v (× %.2f)", percentile(under, 99).Round(time.Microsecond), percentile(calm, 99).Round(time.Microsecond), ratio)
		}
		if best < 2 || !full {
			break
		}
	}
	if best >= 2 && full {
		t.Errorf("%s: want less than twice", text)
	}
	return text
}
