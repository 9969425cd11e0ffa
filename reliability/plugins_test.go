package reliability

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/plugin/seal"
	parleyzstd "github.com/parley-net/parley/plugin/zstd"
	"github.com/parley-net/parley/tinyproto"
)

// A message of a few kilobytes that stands for gigabytes is stopped at the
// limit: it is lost, memory stays bounded, the connection lives.
//
// Verifies: PLUGIN-04, PLUGIN-02
func TestDecompressionBomb(t *testing.T) {
	const limit = 1 << 20
	huge := bombs(t, 1<<30)
	eachDriver(t, func(t *testing.T, d driver) {
		lost, got := make(chan error, 10), make(chan string, 10)
		srv := &parley.Server{
			Protocol: tinyproto.Protocol{}, Plugins: []parley.Plugin{&parleyzstd.Plugin{}}, Limits: parley.Limits{MaxMessage: limit},
			Hooks: parley.Hooks{OnMessageError: func(_ *parley.Conn, err error) { lost <- err }},
			Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
				got <- m.Text()
				return nil
			}),
		}
		addr := start(t, d, srv)
		for name, bomb := range huge {
			t.Run(name, func(t *testing.T) {
				nc := connect(t, addr)
				io.WriteString(nc, "\xff"+tinyHead(uint32(len("\x00small")))+"\x00small")
				if text := <-got; text != "small" {
					t.Fatalf("got %q", text)
				}
				before, most := heap(), &watermark{}
				stop := every(time.Millisecond, func() { most.note(int(heapNow())) })
				io.WriteString(nc, tinyHead(uint32(len(bomb)))+bomb)
				var err error
				select {
				case err = <-lost:
				case <-time.After(patience):
					t.Fatal("nothing was reported")
				}
				stop()
				most.note(int(heapNow()))
				io.WriteString(nc, tinyHead(uint32(len("\x00behind")))+"\x00behind")
				select {
				case text := <-got:
					if text != "behind" {
						t.Errorf("got %q, want what came behind the bomb", text)
					}
				case <-time.After(patience):
					t.Fatal("the connection is dead")
				}
				grown := max(0, int64(most.most())-before)
				figure(t, "%d bytes that stand for %d, limit %d: %v; memory grew by %.1f MiB, the connection lives", len(bomb), 1<<30, limit, cause(err), float64(grown)/(1<<20))
				var message *parley.MessageError
				if !errors.As(err, &message) || !strings.Contains(err.Error(), "zstd") {
					t.Errorf("%v does not name the plugin", err)
				}
				if grown > 64<<20 {
					t.Errorf("memory grew by %d bytes", grown)
				}
			})
		}
	})
}

// bombs returns compressed forms of size zeros: one that says its size, and one
// that does not.
func bombs(t *testing.T, size int) map[string]string {
	t.Helper()
	const compressed = "\x01"
	all := map[string]string{}
	var unsized bytes.Buffer
	w, err := zstd.NewWriter(&unsized)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		w.Write(zeros)
	}
	w.Close()
	all["that hides its size"] = compressed + unsized.String()

	// A frame's header, a single segment whose size is said in 8 bytes, and
	// blocks of one byte repeated.
	frame := func(says uint64, blocks int) string {
		b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
		b = append(b, 0b1110_0000)
		b = binary.LittleEndian.AppendUint64(b, says)
		for i := range blocks {
			header := uint32(128<<10)<<3 | 1<<1 // size, one repeated byte
			if i == blocks-1 {
				header |= 1 // the last one
			}
			b = append(b, byte(header), byte(header>>8), byte(header>>16), 0)
		}
		return string(b)
	}
	blocks := size / (128 << 10)
	all["that says its size"] = compressed + frame(uint64(size), blocks)
	all["that says it is small"] = compressed + frame(1000, blocks)
	all["that says it fits"] = compressed + frame(1<<20, blocks)
	return all
}

func cause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// A peer with another key, and one that plays a recording again, get nothing
// through: their messages are lost, others are served.
//
// Verifies: PLUGIN-05
func TestWrongKeyAndReplay(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		lost, got := make(chan error, 100), make(chan string, 100)
		srv := &parley.Server{
			Protocol: tinyproto.Protocol{}, Plugins: []parley.Plugin{sealWith(t, 1)},
			Hooks: parley.Hooks{OnMessageError: func(_ *parley.Conn, err error) { lost <- err }},
			Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
				got <- m.Text()
				return nil
			}),
		}
		addr := start(t, d, srv)
		tap := newTap(t, addr)
		say := func(key byte, addr string) {
			t.Helper()
			dialer := &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: []parley.Plugin{sealWith(t, key)}}
			c, err := dialer.Dial(bounded(t), addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, text := range []string{"one", "two"} {
				if err := c.Send(bounded(t), parley.Text(text)); err != nil {
					t.Fatal(err)
				}
			}
		}
		wantLost := func(what string, reason error, n int) {
			t.Helper()
			for range n {
				select {
				case err := <-lost:
					if !errors.Is(err, reason) || !errors.As(err, new(*parley.MessageError)) {
						t.Errorf("%s: %v", what, err)
					}
				case text := <-got:
					t.Fatalf("%s: %q was taken", what, text)
				case <-time.After(patience):
					t.Fatalf("%s: nothing was reported", what)
				}
			}
		}
		wantGot := func() {
			t.Helper()
			for _, want := range []string{"one", "two"} {
				select {
				case text := <-got:
					if text != want {
						t.Errorf("got %q, want %q", text, want)
					}
				case err := <-lost:
					t.Fatalf("an honest client: %v", err)
				case <-time.After(patience):
					t.Fatal("an honest client was not heard")
				}
			}
		}
		say(1, tap.addr)
		wantGot()
		say(2, addr)
		wantLost("another key", seal.ErrForged, 2)

		nc := connect(t, addr)
		nc.Write(tap.recorded())
		wantLost("a recording", seal.ErrReplayed, 2)
		nc.CloseWrite()
		say(1, addr)
		wantGot()
		figure(t, "another key: 2 of 2 messages refused; a recording played again: 2 of 2 refused; the honest client beside them: 0 of 4")
	})
}

func sealWith(t *testing.T, key byte) *seal.Plugin {
	t.Helper()
	p, err := seal.New(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tap is a proxy for one connection that records what the client says.
type tap struct {
	addr string
	mu   sync.Mutex
	said []byte
}

func newTap(t *testing.T, target string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{addr: l.Addr().String()}
	var ended sync.WaitGroup
	ended.Go(func() {
		client, err := l.Accept()
		l.Close()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer server.Close()
		ended.Go(func() {
			io.Copy(client, server)
			client.(*net.TCPConn).CloseWrite()
		})
		io.Copy(io.MultiWriter(server, p), client)
		server.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, server)
	})
	t.Cleanup(func() { l.Close(); ended.Wait() })
	return p
}

func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, b...)
	return len(b), nil
}

func (p *tap) recorded() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}
