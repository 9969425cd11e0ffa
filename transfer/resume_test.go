package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// cutConn is cut when so many bytes have been written or read.
type cutConn struct {
	net.Conn
	out, in atomic.Int64 // bytes left; negative: any
}

func (c *cutConn) Write(p []byte) (int, error) {
	return c.pass(p, &c.out, c.Conn.Write)
}

func (c *cutConn) Read(p []byte) (int, error) {
	return c.pass(p, &c.in, c.Conn.Read)
}

func (c *cutConn) pass(p []byte, left *atomic.Int64, do func([]byte) (int, error)) (int, error) {
	n := left.Load()
	switch {
	case n < 0:
		return do(p)
	case n == 0:
		c.Close()
		return 0, net.ErrClosed
	}
	done, err := do(p[:min(int64(len(p)), n)])
	left.Add(-int64(done))
	if err == nil && done < len(p) && left.Load() == 0 {
		c.Close()
	}
	return done, err
}

// dialCut connects a client whose connection is cut after out bytes have been
// written or in bytes read.
func (ts *testServer) dialCut(t *testing.T, out, in int) *Client {
	t.Helper()
	nc, err := net.Dial("tcp", ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutConn{Conn: nc}
	c.out.Store(int64(out))
	c.in.Store(int64(in))
	d := parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxMessage: MaxLetter}}
	conn, err := d.NewConn(soon(t), c)
	if err != nil {
		return nil // cut in the greeting
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &Client{Conn: conn, MessageSize: 64, Overwrite: true}
}

// Each byte of an upload and of a download is once the last one that gets
// through. The next attempt goes on from what has arrived; in between there is
// nothing but the old file or the whole new one under the file's name.
//
// Verifies: TPFT-10, TPFT-14, TPFT-15
func TestCutAtEveryByte(t *testing.T) {
	data := mix(300)
	old := []byte("old")
	for name, limits := range map[string]parley.Limits{"in memory": {}, "streamed": {MaxMessage: 60}} {
		for _, upload := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/upload=%v", name, upload), func(t *testing.T) {
				ts := serve(t, limits, func(s *Server) { s.MessageSize, s.OnEnd = 64, nil })
				local := t.TempDir()
				source, target := filepath.Join(local, "f"), ts.path("f")
				transfer := func(cl *Client) error { return cl.Upload(soon(t), source, "f") }
				if !upload {
					source, target = target, source
					transfer = func(cl *Client) error { return cl.Download(soon(t), "f", target) }
				}
				write(t, source, data)
				step := 1
				if limits.MaxMessage == 0 {
					step = 5
				}
				var resumed, completed int
				for n := 0; completed < 2; n += step {
					if n > 5000 {
						t.Fatal("no number of bytes is enough")
					}
					write(t, target, old)
					cl := ts.dialCut(t, map[bool]int{true: n, false: -1}[upload], map[bool]int{true: -1, false: n}[upload])
					if cl == nil {
						continue
					}
					err := transfer(cl)
					cl.abort()
					ts.settle(t)
					if err == nil {
						completed++
						sameFile(t, target, data)
						continue
					}
					completed = 0
					if b := read(t, target); !bytes.Equal(b, old) && !bytes.Equal(b, data) {
						t.Fatalf("cut at %d: the file has %d bytes", n, len(b))
					}
					var kept int64
					if info, err := os.Stat(target + PartSuffix); err == nil {
						kept = info.Size()
						if kept == 0 {
							t.Errorf("cut at %d: an empty partial file stays", n)
						}
					}
					again := ts.dial(t)
					again.Overwrite = true
					var last Transfer
					again.OnProgress = func(tr Transfer) { last = tr }
					if err := transfer(again); err != nil {
						t.Fatalf("cut at %d: then %v", n, err)
					}
					again.Close()
					sameFile(t, target, data)
					if last.Resumed != kept || last.Done != 300 {
						t.Errorf("cut at %d: resumed at %d, done %d; %d bytes were there", n, last.Resumed, last.Done, kept)
					}
					if kept > 0 {
						resumed++
					}
				}
				if resumed < 4 {
					t.Errorf("%d transfers were resumed", resumed)
				}
				tree(t, ts.dir, "f")
				tree(t, local, "f")
			})
		}
	}
}

// What an earlier attempt has left counts only if the file begins with it.
//
// Verifies: TPFT-15
func TestBeginningIsChecked(t *testing.T) {
	data := mix(1000)
	other := bytes.Clone(data)
	other[499]++
	for name, tt := range map[string]struct {
		left    []byte
		plain   bool
		resumed int64
	}{
		"nothing":    {[]byte{}, false, 0},
		"half":       {data[:500], false, 500},
		"all":        {data, false, 1000},
		"too much":   {mix(1001), false, 0},
		"other half": {other[:500], false, 0},
		"other end":  {other[:501], false, 0},
		"other file": {[]byte("some other file"), false, 0},
		"plain":      {data[:500], true, 0},
	} {
		for _, upload := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/upload=%v", name, upload), func(t *testing.T) {
				ts := serve(t, parley.Limits{}, nil)
				cl := ts.dial(t)
				cl.Plain = tt.plain
				var first Transfer
				cl.OnProgress = func(tr Transfer) {
					if first.Path == "" {
						first = tr
					}
				}
				target := ts.path("f")
				if upload {
					write(t, target+PartSuffix, tt.left)
					if err := cl.UploadFrom(soon(t), bytes.NewReader(data), 1000, "f"); err != nil {
						t.Fatal(err)
					}
				} else {
					write(t, target, data)
					target = filepath.Join(t.TempDir(), "f")
					write(t, target+PartSuffix, tt.left)
					if err := cl.Download(soon(t), "f", target); err != nil {
						t.Fatal(err)
					}
				}
				want := Transfer{Path: "f", Upload: upload, Size: 1000, Resumed: tt.resumed, Done: 1000}
				if e := ts.end(t); e.Transfer != want || e.err != nil {
					t.Errorf("%+v, want %+v", e, want)
				}
				if first.Resumed != tt.resumed || first.Done != tt.resumed {
					t.Errorf("the first report is %+v", first)
				}
				sameFile(t, target, data)
				tree(t, filepath.Dir(target), "f")
			})
		}
	}
}

// script answers a client by hand: each call of next takes one message.
type script struct {
	t    *testing.T
	conn *parley.Conn
}

func (s script) letter(kind string, fields ...field) {
	s.t.Helper()
	if err := s.conn.Send(soon(s.t), parley.Bytes(newLetter(kind, fields...))); err != nil {
		s.t.Error(err)
	}
}

func (s script) data(b []byte) {
	s.t.Helper()
	if err := s.conn.Send(soon(s.t), parley.Bytes(b)); err != nil {
		s.t.Error(err)
	}
}

// expect receives a message and compares it with want.
func (s script) expect(want []byte) {
	s.t.Helper()
	m, err := s.conn.Receive(soon(s.t))
	if err != nil || !bytes.Equal(m.Bytes(), want) {
		s.t.Errorf("received %q (%v), want %q", m.Bytes(), err, want)
	}
}

// dialScript connects to the server by hand.
func (ts *testServer) dialScript(t *testing.T) script {
	t.Helper()
	c, err := parley.Dial(soon(t), tinyproto.Protocol{}, ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return script{t, c}
}

// withScript connects a client to a server that is played by hand.
func withScript(t *testing.T, play func(s script)) *Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
	done := make(chan struct{}, 2)
	go func() {
		srv.Serve(l)
		done <- struct{}{}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		c, err := srv.Accept(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		play(script{t, c})
		for err == nil { // until the client leaves
			_, err = c.Receive(context.Background())
		}
		c.CloseNow()
	}()
	cl, err := Dial(soon(t), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cl.Close()
		srv.Close()
		<-done
		<-done
	})
	return cl
}

// A file that changes while it is sent is an error at the end, and between
// two peers of this package its mixture gets no name.
func TestChangedFile(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, upload := range []bool{true, false} {
			t.Run(fmt.Sprintf("plain=%v/upload=%v", plain, upload), func(t *testing.T) {
				var touch func()
				ts := serve(t, parley.Limits{}, func(s *Server) {
					s.OnProgress = func(*parley.Conn, Transfer) {
						if !upload {
							touch()
						}
					}
				})
				local := t.TempDir()
				source := filepath.Join(local, "up")
				if !upload {
					source = ts.path("down")
				}
				write(t, source, mix(1000))
				touch = func() {
					if err := os.Chtimes(source, time.Time{}, time.Unix(1, 0)); err != nil {
						t.Error(err)
					}
				}
				cl := ts.dial(t)
				cl.Plain = plain
				var err error
				if upload {
					cl.OnProgress = func(Transfer) { touch() }
					if err = cl.Upload(soon(t), source, "f"); !errors.Is(err, ErrChanged) {
						t.Error(err)
					}
				} else {
					err = cl.Download(soon(t), "down", filepath.Join(local, "f"))
					if plain && err != nil || !plain && !rejectedWith(ErrChanged.Error())(err) {
						t.Error(err)
					}
				}
				e := ts.end(t)
				if plain && upload {
					if e.err != nil { // the server can't know
						t.Error(e.err)
					}
					return
				}
				if e.err == nil {
					t.Error("the server takes the transfer for complete")
				}
				if !plain {
					for _, dir := range []string{local, ts.dir} {
						if _, err := os.Stat(filepath.Join(dir, "f")); err == nil {
							t.Error("the mixture got the name")
						}
					}
				}
				// The connection is good for more.
				if err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "x"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
