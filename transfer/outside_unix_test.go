//go:build unix

package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// Verifies: TPFT-07
func TestNothingOutside(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	outside := t.TempDir()
	secret := write(t, filepath.Join(outside, "secret"), []byte("secret"))
	if err := os.MkdirAll(ts.path("in/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, ts.path("in/file"), []byte("inside"))
	for link, target := range map[string]string{
		"absolute":             outside,
		"relative":             "../" + filepath.Base(outside),
		"file":                 secret,
		"dangling":             filepath.Join(outside, "new"),
		"in/deep/up":           "../../..",
		"again":                "relative",
		"loop":                 "loop",
		"trap" + PartSuffix:    secret,
		"inner" + PartSuffix:   "in/file",
		"hole" + PartSuffix:    filepath.Join(outside, "hole"),
		"inside":               "in/deep",
		"in/deep/back to file": "../file",
	} {
		if err := os.Symlink(target, ts.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(ts.path("pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(ts.path("stuck"+PartSuffix), 0o666); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, ts.dir)
	cl := ts.dial(t)
	down := filepath.Join(t.TempDir(), "f")
	for _, p := range []string{
		"../" + filepath.Base(outside) + "/secret", secret, "in/../../" + filepath.Base(outside) + "/secret", "in/deep/../file",
		"absolute/secret", "relative/secret", "again/secret", "file", "in/deep/up/" + filepath.Base(outside) + "/secret", "in/deep/up/x",
		"absolute/new", "relative/new", "dangling/x", "loop", "loop/x",
		"trap" + PartSuffix, "in/file/x", "pipe", "", ".", "/", "a\x00b", "in/deep/", strings.Repeat("n", 256), strings.Repeat("n", 5000),
	} {
		var rejected *RejectedError
		if err := cl.Download(soon(t), p, down); !errors.As(err, &rejected) || !readable(rejected.Reason, p) {
			t.Errorf("download of %.40q: %v", p, err)
		}
		if err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, p); !errors.As(err, &rejected) || !readable(rejected.Reason, p) {
			t.Errorf("upload to %.40q: %v", p, err)
		}
	}
	// Only as a destination: a name whose temporary file is a trap.
	for _, p := range []string{"trap", "inner", "hole", "stuck"} {
		var rejected *RejectedError
		if err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, p); !errors.As(err, &rejected) || !strings.Contains(rejected.Reason, "is in the way") {
			t.Errorf("upload to %q: %v", p, err)
		}
	}
	if after := snapshot(t, ts.dir); after != before {
		t.Errorf("the folder was\n%s\nand is\n%s", before, after)
	}
	tree(t, outside, "secret")
	sameFile(t, secret, []byte("secret"))
	if _, err := os.Stat(down); err == nil {
		t.Error("something was downloaded")
	}
	// What stays inside is served.
	for _, p := range []string{"in/file", "inside/../file", "./in//file", "inside/back to file"} {
		err := cl.Download(soon(t), p, down)
		if ok := !strings.Contains(p, ".."); (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		} else if ok {
			sameFile(t, down, []byte("inside"))
			os.Remove(down)
		}
	}
	if err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "inside/new"); err != nil {
		t.Error(err)
	}
	sameFile(t, ts.path("in/deep/new"), []byte("x"))
}

// readable: a reason is for people, and tells nothing of the machine.
func readable(reason, path string) bool {
	return len(reason) > 10 && len(reason) < 6000 && !strings.Contains(strings.ReplaceAll(reason, path, ""), os.TempDir())
}

// snapshot describes what is in a folder.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target, _ := os.Readlink(name)
		var content []byte
		if d.Type().IsRegular() {
			content = read(t, name)
		}
		fmt.Fprintf(&b, "%s %v %s %q\n", name, d.Type(), target, content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
