package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
)

// stuckReader brings part of a file, then waits.
type stuckReader struct {
	*bytes.Reader
	from int64
	wait chan struct{}
}

func (r *stuckReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.from {
		<-r.wait
	}
	return r.Reader.ReadAt(p, off)
}

// Two transfers to the same file do not mix, under whatever name they come.
func TestOneWriterPerFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("d", filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	root := openRoot(t, dir)
	synctest.Test(t, func(t *testing.T) {
		dialer := &parley.Dialer{Protocol: tinyproto.Protocol{}}
		connect := func() *Client {
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: &Server{Root: root, Writable: true}}
			c, _ := parleytest.Pipe(t, srv, dialer)
			return &Client{Conn: c, MessageSize: 100}
		}
		first, second := connect(), connect()
		data := mix(1000)
		stuck := &stuckReader{bytes.NewReader(data), 500, make(chan struct{})}
		done := make(chan error)
		go func() { done <- first.UploadFrom(t.Context(), stuck, 1000, "d/f") }()
		synctest.Wait()
		for _, name := range []string{"d/f", "./d//f", "link/f"} {
			var rejected *RejectedError
			before := time.Now()
			err := second.UploadFrom(t.Context(), strings.NewReader("other"), 5, name)
			if !errors.As(err, &rejected) || rejected.Reason != ErrBusy.Error() || time.Since(before) != lockWait {
				t.Errorf("%s: %v after %v", name, err, time.Since(before))
			}
		}
		close(stuck.wait)
		if err := <-done; err != nil {
			t.Error(err)
		}
		sameFile(t, filepath.Join(dir, "d", "f"), data)
		if err := second.UploadFrom(t.Context(), strings.NewReader("other"), 5, "link/f"); err != nil {
			t.Error(err)
		}
		sameFile(t, filepath.Join(dir, "d", "f"), []byte("other"))
		tree(t, dir, "d/f", "link")
	})
}

// A second transfer does not wait longer than it takes the first to end.
func TestWriterIsWaitedFor(t *testing.T) {
	root := openRoot(t, t.TempDir())
	p, err := openPartial(t.Context(), root, "f", true)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		p, err := openPartial(context.Background(), root, "f", true)
		if err == nil {
			err = p.Close()
		}
		got <- err
	}()
	p.tell = func(int) {}
	if err := p.start(0, 3); err != nil {
		t.Fatal(err)
	}
	if err := p.take(3, strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	if err := p.commit(); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
	sameFile(t, filepath.Join(root.Name(), "f"), []byte("abc"))
	tree(t, root.Name(), "f")
}

// Two uploads of the same new file at the same time, where files are kept: the
// second one waits, and is rejected when the first one has got its name.
func TestKeepExisting(t *testing.T) {
	root := openRoot(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		dialer := &parley.Dialer{Protocol: tinyproto.Protocol{}}
		connect := func() *Client {
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: &Server{Root: root, Writable: true, KeepExisting: true}}
			c, _ := parleytest.Pipe(t, srv, dialer)
			return &Client{Conn: c, MessageSize: 100}
		}
		first, second := connect(), connect()
		data := mix(1000)
		stuck := &stuckReader{bytes.NewReader(data), 500, make(chan struct{})}
		done := make(chan error, 2)
		go func() { done <- first.UploadFrom(t.Context(), stuck, 1000, "f") }()
		synctest.Wait()
		go func() { done <- second.UploadFrom(t.Context(), strings.NewReader("other"), 5, "f") }()
		synctest.Wait() // its request waits for the first one
		close(stuck.wait)
		if err := <-done; err != nil {
			t.Error(err)
		}
		var rejected *RejectedError
		if err := <-done; !errors.As(err, &rejected) || !strings.Contains(rejected.Reason, "replaces none") {
			t.Errorf("the second one: %v", err)
		}
		if err := second.UploadFrom(t.Context(), strings.NewReader("other"), 5, "f"); !errors.As(err, &rejected) {
			t.Errorf("later: %v", err)
		}
		sameFile(t, filepath.Join(root.Name(), "f"), data)
		tree(t, root.Name(), "f")
	})
}

// Verifies: TPFT-06
func TestManyAtOnce(t *testing.T) {
	ts := serve(t, parley.Limits{MaxMessage: MaxLetter}, func(s *Server) { s.OnEnd = nil })
	contents := make([][]byte, 8)
	var all sync.WaitGroup
	for i := range contents {
		contents[i] = bytes.Repeat([]byte{byte(i)}, 100_000+i)
		cl := ts.dial(t)
		local := t.TempDir()
		all.Go(func() {
			for range 5 {
				if err := cl.UploadFrom(soon(t), bytes.NewReader(contents[i]), int64(len(contents[i])), "same"); err != nil {
					t.Error(err)
				}
				own := fmt.Sprint("own", i)
				if err := cl.UploadFrom(soon(t), bytes.NewReader(contents[i]), int64(len(contents[i])), own); err != nil {
					t.Error(err)
				}
				for _, name := range []string{"same", own} {
					target := filepath.Join(local, name)
					if err := cl.Download(soon(t), name, target); err != nil {
						t.Error(err)
						continue
					}
					b := read(t, target)
					if len(b) < 100_000 || !bytes.Equal(b, contents[b[0]]) || name == own && int(b[0]) != i {
						t.Errorf("%s is a mixture", name)
					}
					os.Remove(target)
				}
			}
		})
	}
	all.Wait()
}

func TestOneTransferAtATime(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	cl := ts.dial(t)
	stuck := &stuckReader{bytes.NewReader(mix(10)), 0, make(chan struct{})}
	begun := make(chan struct{})
	cl.OnProgress = func(tr Transfer) {
		if tr.Done == 0 {
			close(begun)
		}
	}
	done := make(chan error)
	go func() { done <- cl.UploadFrom(soon(t), stuck, 10, "f") }()
	<-begun
	if err := cl.UploadFrom(soon(t), stuck, 10, "g"); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Error(err)
	}
	cl.Close() // cuts it
	close(stuck.wait)
	if err := <-done; !errors.Is(err, parley.ErrClosed) {
		t.Error(err)
	}
	if err := cl.UploadFrom(soon(t), stuck, 10, "g"); !errors.Is(err, parley.ErrClosed) {
		t.Error(err)
	}
}

// A server that goes silent does not hold a client for ever, nor does a
// context that ends have to wait for it.
//
// Verifies: TPFT-16
func TestSilentServer(t *testing.T) {
	for name, say := range map[string]func(c *parley.Conn){
		"no answer": func(c *parley.Conn) {},
		"no data": func(c *parley.Conn) {
			c.Send(c.Context(), parley.Bytes(newLetter(typeOffer, field{keySize, int64(5)})))
		},
		"half a message": func(c *parley.Conn) {
			c.Send(c.Context(), parley.Bytes(newLetter(typeOffer, field{keySize, int64(200_000)})))
			r, w := io.Pipe()
			context.AfterFunc(c.Context(), func() { w.Close() })
			c.SendStream(c.Context(), 200_000, io.MultiReader(bytes.NewReader(mix(100_000)), r))
		},
	} {
		for _, stall := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/stall=%v", name, stall), func(t *testing.T) {
				root := openRoot(t, t.TempDir())
				synctest.Test(t, func(t *testing.T) {
					srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
						if strings.Contains(m.Text(), typeDownload) {
							go say(c)
						}
						return nil
					})}
					c, _ := parleytest.Pipe(t, srv, &parley.Dialer{
						Protocol: tinyproto.Protocol{},
						Limits:   parley.Limits{MaxMessage: MaxLetter},
						Timeouts: parley.Timeouts{Progress: -1}, // or it would come first
					})
					cl := &Client{Conn: c, Stall: -1}
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					want := time.Hour
					if stall {
						cl.Stall, want = 0, defaultStall
					}
					began := time.Now()
					err := cl.Download(ctx, "f", filepath.Join(root.Name(), "f"))
					if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					if d := time.Since(began); d != want {
						t.Errorf("it took %v, want %v", d, want)
					}
				})
			})
		}
	}
}

// A transfer that is cut ends with a reset, never with an orderly end of
// stream: an original pads the message it was in with zeros, and could take
// the file for complete.
//
// Verifies: TPFT-16
func TestCutIsAReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(soon(t))
	seen := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			seen <- err
			return
		}
		defer nc.Close()
		nc.Write([]byte{0xFF})
		io.ReadFull(nc, make([]byte, 10)) // the request has begun
		cancel()
		_, err = io.Copy(io.Discard, nc)
		seen <- err
	}()
	cl, err := Dial(soon(t), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.UploadFrom(ctx, strings.NewReader("x"), 1, "f"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server sees %v, want a reset", err)
	}
}
