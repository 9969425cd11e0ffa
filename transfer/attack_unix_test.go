//go:build unix

package transfer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// outside is a folder beside the served one that nobody may get at, in either
// direction. One more file in it, or its secret in a download, is an escape.
type outside struct{ dir string }

const secret = "the secret of the neighbour"

func newOutside(t *testing.T) outside {
	o := outside{t.TempDir()}
	write(t, filepath.Join(o.dir, "file"), []byte(secret))
	return o
}

// check fails unless the folder is as it was and target, if it is there, is
// not its secret.
func (o outside) check(t *testing.T, what, target string) {
	t.Helper()
	if b, err := os.ReadFile(target); err == nil && strings.Contains(string(b), secret) {
		t.Errorf("%s: the secret was downloaded", what)
	}
	os.Remove(target)
	tree(t, o.dir, "file")
	sameFile(t, filepath.Join(o.dir, "file"), []byte(secret))
}

// Paths made of everything that has a meaning somewhere lead nowhere but into
// the served folder.
//
// Verifies: TPFT-07
func TestAnyPath(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.OnEnd, s.Logger = nil, nil })
	out := newOutside(t)
	if err := os.MkdirAll(ts.path("dir/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"out": out.dir, "dir/up": "../..", "dir/deep/out": filepath.Join(out.dir, "file"), "self": "."} {
		if err := os.Symlink(target, ts.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(ts.path("dir/pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	parts := []string{
		"..", "..", "..", ".", "", "/", "dir", "dir", "deep", "up", "out", "self", "pipe", "file", "file", filepath.Base(out.dir),
		"...", "..\x00", "\x00", "\n", "\x1b[2J", "\xff", "\u202e", "a\u0301", "DIR", "Out", "NUL", "con.txt", "COM1", `..\..`, `C:`, "file:stream",
		"~", "$HOME", "%2e%2e", "%2f", "．．", "f" + PartSuffix, "F.PARLEY.PART", "x ", "x.", strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("d/", 1000),
		ts.dir, out.dir, "/proc/self/root", "/dev/stdin",
	}
	cl := ts.dial(t)
	cl.Overwrite = true
	target := filepath.Join(t.TempDir(), "target")
	rng := rand.New(rand.NewPCG(7, 7))
	const tries = 1000
	taken := 0
	for range tries {
		picked := make([]string, 1+rng.IntN(5))
		for i := range picked {
			picked[i] = parts[rng.IntN(len(parts))]
		}
		p := strings.Join(picked, "/")
		for _, upload := range []bool{true, false} {
			var err error
			if upload {
				err = cl.UploadFrom(soon(t), strings.NewReader("x"), 1, p)
			} else {
				err = cl.Download(soon(t), p, target)
			}
			var rejected *RejectedError
			switch {
			case err == nil && !filepath.IsLocal(p):
				t.Errorf("%q was taken", p)
			case err == nil:
				taken++
			case !errors.As(err, &rejected):
				t.Fatalf("%q: %v", p, err)
			}
			out.check(t, fmt.Sprintf("%q", p), target)
		}
	}
	if taken == 0 {
		t.Error("no path at all was taken")
	}
	t.Logf("%d paths, both ways: %d transfers, 0 escapes", tries, taken)
}

// Somebody who can write in the served folder puts links and other things in
// place of what is being transferred, at each stage of a transfer.
//
// Verifies: TPFT-07
func TestLinksMeanwhile(t *testing.T) {
	out := newOutside(t)
	link := func(target, name string) error { return os.Symlink(target, name) }
	away := func(name string) error { return os.Rename(name, name+".was") }
	for name, attack := range map[string]func(ts *testServer) error{
		"the folder becomes a link out": func(ts *testServer) error {
			return errors.Join(away(ts.path("dir")), link(out.dir, ts.path("dir")))
		},
		"the name becomes a link out": func(ts *testServer) error {
			os.Remove(ts.path("dir/file"))
			return link(filepath.Join(out.dir, "file"), ts.path("dir/file"))
		},
		"the name becomes a link to nothing outside": func(ts *testServer) error {
			os.Remove(ts.path("dir/file"))
			return link(filepath.Join(out.dir, "new"), ts.path("dir/file"))
		},
		"the temporary file becomes a link out": func(ts *testServer) error {
			os.Remove(ts.path("dir/file" + PartSuffix))
			return link(filepath.Join(out.dir, "file"), ts.path("dir/file"+PartSuffix))
		},
		"the temporary file becomes a hard link": func(ts *testServer) error {
			os.Remove(ts.path("dir/file" + PartSuffix))
			return os.Link(ts.path("dir/other"), ts.path("dir/file"+PartSuffix))
		},
		"the name becomes a named pipe": func(ts *testServer) error {
			os.Remove(ts.path("dir/file"))
			return syscall.Mkfifo(ts.path("dir/file"), 0o666)
		},
	} {
		for _, upload := range []bool{true, false} {
			for _, late := range []bool{true, false} { // when the last byte has come, or before the first
				t.Run(fmt.Sprintf("%s/upload=%v/late=%v", name, upload, late), func(t *testing.T) {
					var once sync.Once
					var ts *testServer
					ts = serve(t, parley.Limits{}, func(s *Server) {
						s.OnProgress = func(_ *parley.Conn, tr Transfer) {
							if late && tr.Done < tr.Size {
								return
							}
							once.Do(func() {
								if err := attack(ts); err != nil {
									t.Error(err)
								}
							})
						}
					})
					if err := os.Mkdir(ts.path("dir"), 0o755); err != nil {
						t.Fatal(err)
					}
					old := mix(1000)
					write(t, ts.path("dir/file"), old)
					write(t, ts.path("dir/other"), []byte("other"))
					target := filepath.Join(t.TempDir(), "target")
					cl := ts.dial(t)
					if upload {
						_ = cl.UploadFrom(soon(t), strings.NewReader("new"), 3, "dir/file") // it may fail, or not
					} else {
						_ = cl.Download(soon(t), "dir/file", target)
						if b, err := os.ReadFile(target); err == nil && string(b) != string(old) {
							t.Errorf("a file of %d bytes came", len(b))
						}
					}
					cl.Close()
					ts.settle(t)
					out.check(t, name, target)
					other := ts.path("dir.was/other")
					if _, err := os.Stat(other); err != nil {
						other = ts.path("dir/other")
					}
					sameFile(t, other, []byte("other"))
				})
			}
		}
	}
}

// A folder is turned into a link out of the served one and back, as fast as
// possible, while files in it are sent and fetched.
//
// Verifies: TPFT-07
func TestLinksAtAnyTime(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.OnEnd, s.Logger = nil, nil })
	out := newOutside(t)
	if err := os.Mkdir(ts.path("dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, ts.path("dir/file"), []byte("inside"))
	if err := os.Symlink(out.dir, ts.path("link")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var swapping sync.WaitGroup
	swaps := 0
	swapping.Go(func() {
		for ; ctx.Err() == nil; swaps++ {
			for _, names := range [][2]string{{"dir", "aside"}, {"link", "dir"}, {"dir", "link"}, {"aside", "dir"}} {
				if err := os.Rename(ts.path(names[0]), ts.path(names[1])); err != nil {
					t.Error(err)
				}
			}
			runtime.Gosched()
		}
	})
	cl := ts.dial(t)
	cl.Overwrite = true
	target := filepath.Join(t.TempDir(), "target")
	done := 0
	const tries = 300
	for i := range tries {
		var err error
		if i%2 == 0 {
			err = cl.UploadFrom(soon(t), strings.NewReader("inside"), 6, "dir/file")
		} else {
			err = cl.Download(soon(t), "dir/file", target)
		}
		var rejected *RejectedError
		if err == nil {
			done++
		} else if !errors.As(err, &rejected) {
			t.Fatal(err)
		}
		out.check(t, "while folders change", target)
	}
	stop()
	swapping.Wait()
	t.Logf("%d transfers while a folder became a link out and back %d times: %d done, 0 escapes", tries, swaps, done)
}

// A device in the served folder is not a file.
//
// Verifies: TPFT-07
func TestDevice(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	if err := syscall.Mknod(ts.path("zero"), syscall.S_IFCHR|0o666, 1<<8|5); err != nil {
		t.Skip("no device can be made here, which takes root: ", err)
	}
	cl := ts.dial(t)
	var rejected *RejectedError
	if err := cl.Download(soon(t), "zero", filepath.Join(t.TempDir(), "f")); !errors.As(err, &rejected) || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
	if err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "zero"); !errors.As(err, &rejected) || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}
