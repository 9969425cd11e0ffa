package transfer

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
)

// patience bounds every wait of a test.
const patience = time.Minute

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ended is what Server.OnEnd was told.
type ended struct {
	Transfer
	err error
}

// testServer is a server for a temporary folder.
type testServer struct {
	*Server
	dir  string
	srv  *parley.Server
	addr string
	ends chan ended
	log  *syncBuffer
}

// serve starts a server; change sets its fields.
func serve(t testing.TB, limits parley.Limits, change func(s *Server)) *testServer {
	t.Helper()
	ts := &testServer{dir: t.TempDir(), ends: make(chan ended, 100), log: &syncBuffer{}}
	ts.Server = &Server{
		Root:     openRoot(t, ts.dir),
		Writable: true,
		OnEnd:    func(_ *parley.Conn, tr Transfer, err error) { ts.ends <- ended{tr, err} },
		Logger:   slog.New(slog.NewTextHandler(ts.log, nil)),
	}
	if change != nil {
		change(ts.Server)
	}
	ts.srv = &parley.Server{Protocol: tinyproto.Protocol{}, Handler: ts.Server, Limits: limits}
	ts.addr = parleytest.NewServer(t, ts.srv)
	return ts
}

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// dial connects a client, which is closed when the test ends.
func (ts *testServer) dial(t testing.TB) *Client {
	t.Helper()
	cl, err := Dial(soon(t), ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	return cl
}

// end returns the next end of a transfer on the server.
func (ts *testServer) end(t testing.TB) ended {
	t.Helper()
	select {
	case e := <-ts.ends:
		return e
	case <-time.After(patience):
		t.Fatal("the server ends no transfer")
		panic("unreachable")
	}
}

// settle waits until the server has done with all connections.
func (ts *testServer) settle(t testing.TB) {
	t.Helper()
	active := func() int {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		return len(ts.sessions)
	}
	for late := time.Now().Add(patience); ts.srv.Stats().Open+active() > 0; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatal("the server has not done with a connection")
		}
	}
}

func (ts *testServer) path(name string) string { return filepath.Join(ts.dir, name) }

// syncBuffer is a buffer for a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// mix returns n bytes no two pieces of which are alike.
func mix(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + i>>8 + i>>16)
	}
	return b
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameFile fails unless the file name has the content want.
func sameFile(t testing.TB, name string, want []byte) {
	t.Helper()
	if got := read(t, name); !bytes.Equal(got, want) {
		t.Fatalf("%s has %d bytes, want %d, or they differ", filepath.Base(name), len(got), len(want))
	}
}

// tree fails unless dir holds just the files want, by their paths.
func tree(t testing.TB, dir string, want ...string) {
	t.Helper()
	got := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			got[filepath.ToSlash(rel)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		if !got[name] {
			t.Errorf("%s is missing", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s should not be there", name)
	}
}
