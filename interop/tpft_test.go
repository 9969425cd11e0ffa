package interop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/transfer"
)

// tpftFiles are the files that go back and forth, by name. A message of the
// original has 4 MiB.
var tpftFiles = map[string]int{
	"empty":         0,
	"one":           1,
	"small":         small,
	"chunk":         4 << 20,
	"chunk and one": 4<<20 + 1,
	"huge":          huge,
	"Grüße \"世界\"":  1000,
}

// fill puts the files into a new folder.
func fill(t *testing.T) (folder string) {
	folder = t.TempDir()
	for name, size := range tpftFiles {
		if err := os.WriteFile(filepath.Join(folder, name), mix(size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// content describes a file.
func content(t *testing.T, path string) described {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return describe(parley.Bytes(b))
}

func TestTpftOriginalServer(t *testing.T) {
	each(t, func(t *testing.T, o origin) {
		p := o.start(t)
		served, here := t.TempDir(), fill(t)
		c, err := transfer.Dial(soon(t), address(get[int](p, "listen", args{"folder": served})))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		for name, size := range tpftFiles {
			want := describe(parley.Bytes(mix(size)))
			if err := c.Upload(soon(t), filepath.Join(here, name), name); err != nil {
				t.Fatal(err)
			}
			same(t, "uploaded", get[described](p, "file", args{"path": filepath.Join(served, name), "size": size}), want)
			back := filepath.Join(here, "back")
			if err := c.Download(soon(t), name, back); err != nil {
				t.Fatal(err)
			}
			same(t, "downloaded", content(t, back), want)
			if err := os.Remove(back); err != nil {
				t.Fatal(err)
			}
		}
		var rejected *transfer.RejectedError
		if err := c.Download(soon(t), "missing", filepath.Join(here, "missing")); !errors.As(err, &rejected) {
			t.Errorf("downloading a missing file: %v, want a RejectedError", err)
		}
		if err := c.Upload(soon(t), filepath.Join(here, "one"), "no such folder/one"); !errors.As(err, &rejected) {
			t.Errorf("uploading into a missing folder: %v, want a RejectedError", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}, "tpft")
}

func TestTpftOriginalClient(t *testing.T) {
	each(t, func(t *testing.T, o origin) {
		served, here := t.TempDir(), fill(t)
		root, err := os.OpenRoot(served)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { root.Close() })
		port := serve(t, &parley.Server{
			Protocol: tinyproto.Protocol{},
			Handler:  &transfer.Server{Root: root, Writable: true},
			Limits:   parley.Limits{MaxMessage: transfer.MaxLetter},
		})
		remote := func(name string) string { return fmt.Sprintf("127.0.0.1:%d:%s", port, name) }
		p := o.start(t)
		for name, size := range tpftFiles {
			want := describe(parley.Bytes(mix(size)))
			p.do("copy", args{"source": filepath.Join(here, name), "destination": remote(name)})
			same(t, "uploaded", content(t, filepath.Join(served, name)), want)
			back := filepath.Join(here, "back")
			p.do("copy", args{"source": remote(name), "destination": back})
			same(t, "downloaded", content(t, back), want)
			if err := os.Remove(back); err != nil {
				t.Fatal(err)
			}
		}
		p.do("copy", args{"source": remote("missing"), "destination": filepath.Join(here, "missing")})
		p.do("copy", args{"source": filepath.Join(here, "one"), "destination": remote("../outside")})
		for _, path := range []string{filepath.Join(here, "missing"), filepath.Join(served, "..", "outside")} {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, want no such file", path, err)
			}
		}
	}, "tpft")
}
