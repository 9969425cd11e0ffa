package parley_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// fileOf returns a new open file with the given content.
func fileOf(t *testing.T, content []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// onlyWriterTo hides what else a source can do.
type onlyWriterTo struct {
	io.Reader
	io.WriterTo
}

// A message is streamed from whatever can write itself, files above all, from
// where that stands and not further than its size.
//
// Verifies: RUNTIME-22
func TestSendStreamOfAFile(t *testing.T) {
	content := make([]byte, 3<<20+5)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	const size, at = 2<<20 + 1, 4711
	at4711 := func(t *testing.T) *os.File {
		f := fileOf(t, content)
		f.Seek(at, io.SeekStart)
		return f
	}
	for name, source := range map[string]func(t *testing.T) io.Reader{
		"file":         func(t *testing.T) io.Reader { return at4711(t) },
		"limited file": func(t *testing.T) io.Reader { return io.LimitReader(at4711(t), size) },
		"bytes":        func(*testing.T) io.Reader { return bytes.NewReader(content[at:]) },
		"pieces of a file": func(t *testing.T) io.Reader {
			f := at4711(t)
			return onlyWriterTo{nil, writerTo(func(w io.Writer) (n int64, err error) {
				for err == nil {
					var k int64
					k, err = io.CopyN(w, f, 100_001)
					n += k
				}
				return n, err
			})}
		},
		"mixture": func(t *testing.T) io.Reader {
			f := at4711(t)
			return onlyWriterTo{nil, writerTo(func(w io.Writer) (int64, error) {
				b := make([]byte, 1000)
				io.ReadFull(f, b)
				w.Write(b)
				io.CopyN(w, f, 70_000)
				io.Copy(w, iotestOneReader{f}) // neither a file nor a WriterTo
				return 0, nil
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
			c := connect(t, false, srv, &parley.Dialer{})
			for round := range 2 { // the connection is as good as before
				r := source(t)
				if err := c.SendStream(newContext(t), size, r); err != nil {
					t.Fatal(err)
				}
				m, err := c.Receive(newContext(t))
				if err != nil || !bytes.Equal(m.Bytes(), content[at:at+size]) {
					t.Fatalf("round %d: %v, %v", round, m, err)
				}
				if f, ok := r.(*os.File); ok {
					if where, _ := f.Seek(0, io.SeekCurrent); where != at+size {
						t.Errorf("the file stands at %d, want %d", where, at+size)
					}
				}
				if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
					t.Fatalf("afterwards: %v, %v", m, err)
				}
			}
			if st := c.Stats(); st.BytesOut != uint64(len(tinyHello)+2*(4+size)+2*5+4) {
				t.Errorf("BytesOut is %d", st.BytesOut)
			}
		})
	}
}

type writerTo func(w io.Writer) (int64, error)

func (f writerTo) WriteTo(w io.Writer) (int64, error) { return f(w) }

type iotestOneReader struct{ r io.Reader }

func (r iotestOneReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 10_001)]) }

// A file that ends early ends the connection, and so does a peer that reads
// nothing, or the sender's giving up.
//
// Verifies: RUNTIME-21, RUNTIME-22
func TestSendStreamOfAFileFails(t *testing.T) {
	t.Run("short", func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
		c := connect(t, false, srv, &parley.Dialer{})
		err := c.SendStream(newContext(t), 1_000_001, fileOf(t, make([]byte, 1_000_000)))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "ended 1 bytes early") {
			t.Errorf("got %v", err)
		}
		if err := c.Err(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the connection ended with %v", err)
		}
	})
	const large = 64 << 20 // more than the sockets hold
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(large); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		write time.Duration
		end   func(c *parley.Conn, cancel func())
		want  error
	}{
		"cancelled": {time.Hour, func(_ *parley.Conn, cancel func()) { cancel() }, context.Canceled},
		"closed":    {time.Hour, func(c *parley.Conn, _ func()) { c.CloseNow() }, parley.ErrClosed},
		"too slow":  {time.Second, func(*parley.Conn, func()) {}, parley.ErrSlowConsumer},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d := &parley.Dialer{Protocol: tinyproto.Protocol{}, Timeouts: parley.Timeouts{Write: test.write}}
			conns := make(chan *parley.Conn, 1)
			go func() {
				c, err := d.Dial(newContext(t), l.Addr().String())
				if err != nil {
					t.Error(err)
				}
				conns <- c
			}()
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			peer := newBare(t, nc)
			peer.say(tinyHello)
			peer.hear(tinyHello)
			c := <-conns
			if c == nil {
				t.FailNow()
			}
			defer c.CloseNow()
			ctx, cancel := context.WithCancel(newContext(t))
			defer cancel()
			f.Seek(0, io.SeekStart)
			sent := make(chan error, 1)
			go func() { sent <- c.SendStream(ctx, large, f) }()
			peer.hear(tinyHead(large))
			peer.say(tinyOK)
			eventually(t, "the file to begin to leave", func() bool { return c.Stats().BytesOut > 100_000 })
			test.end(c, cancel)
			if err := next(t, sent, "SendStream did not return"); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if c.Err() == nil {
				t.Error("the connection lives")
			}
		})
	}
}

// The connection may end between two pieces of a file that is written in pieces:
// the next one is not waited for.
//
// Verifies: RUNTIME-22
func TestSendStreamOfPiecesOfAFile(t *testing.T) {
	content := make([]byte, 1<<20)
	for name, piece := range map[string]func(w io.Writer, f *os.File) error{
		"file":   func(w io.Writer, f *os.File) error { _, err := io.CopyN(w, f, 1000); return err },
		"reader": func(w io.Writer, f *os.File) error { _, err := io.CopyN(w, iotestOneReader{f}, 1000); return err },
		"bytes":  func(w io.Writer, f *os.File) error { _, err := w.Write(content[:1000]); return err },
	} {
		t.Run(name, func(t *testing.T) {
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
			c := connect(t, false, srv, &parley.Dialer{})
			f := fileOf(t, content)
			sent := make(chan error, 1)
			go func() {
				sent <- c.SendStream(newContext(t), int64(len(content)), onlyWriterTo{nil, writerTo(func(w io.Writer) (int64, error) {
					if err := piece(w, f); err != nil {
						t.Error(err)
					}
					c.CloseNow()
					err := piece(w, f)
					if !errors.Is(err, parley.ErrClosed) {
						t.Errorf("a piece behind the end: %v", err)
					}
					return 1000, err
				})})
			}()
			if err := next(t, sent, "SendStream did not return"); !errors.Is(err, parley.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// Both ends send a file from a handler, with the handler's context, while the other does the same: each goes
// on reading.
//
// Verifies: RUNTIME-19, RUNTIME-25
func TestBothSendFiles(t *testing.T) {
	const size = 32 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	limits := parley.Limits{MaxMessage: size}
	got := make(chan bool, 2)
	handler := parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		if m.Len() == size {
			got <- bytes.Equal(m.Bytes(), content)
			return nil
		}
		return c.SendStream(ctx, size, fileOf(t, content))
	})
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Limits: limits, Handler: handler}
	c := connect(t, false, srv, &parley.Dialer{Limits: limits, Handler: handler})
	if err := c.Send(newContext(t), parley.Text("go")); err != nil {
		t.Fatal(err)
	}
	if err := c.SendStream(newContext(t), size, fileOf(t, content)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !next(t, got, "a file did not arrive") {
			t.Error("a file has changed")
		}
	}
}
