//go:build unix

package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

const fileLimit = 1 << 20

// A disk that takes no more, in the middle of a transfer: the other side
// learns it, and what has come stays. The disk is a process of our own in which
// no file may be larger than a megabyte.
//
// Verifies: TPFT-14
func TestFullDisk(t *testing.T) {
	if os.Getenv("TRANSFER_FULL_DISK") != "" {
		t.Skip("this is the inner process")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDiskInner$", "-test.v", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), "TRANSFER_FULL_DISK=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFullDiskInner") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestFullDiskInner(t *testing.T) {
	if os.Getenv("TRANSFER_FULL_DISK") == "" {
		t.Skip("it runs in a process of its own: TestFullDisk")
	}
	data := mix(3 * fileLimit)
	big := write(t, filepath.Join(t.TempDir(), "big"), data)
	for name, limits := range map[string]parley.Limits{"in memory": {}, "streamed": {MaxMessage: MaxLetter}} {
		for _, plain := range []bool{false, true} {
			for _, size := range []int{0, 100_000, 2 * fileLimit} {
				t.Run(fmt.Sprintf("%s/plain=%v/%d", name, plain, size), func(t *testing.T) {
					ts := serve(t, limits, func(s *Server) { s.MessageSize = size })
					cl := ts.dial(t)
					cl.Plain, cl.MessageSize = plain, size
					small := data[:1000]
					if err := os.Link(big, ts.path("big")); err != nil {
						write(t, ts.path("big"), data)
					}
					signal.Ignore(syscall.SIGXFSZ)
					var old syscall.Rlimit
					if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
						t.Fatal(err)
					}
					now := old
					now.Cur = fileLimit
					if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
						t.Fatal(err)
					}
					defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)

					want := "[Errno 27] File too large: 'f'"
					if err := cl.Upload(soon(t), big, "f"); !rejectedWith(want)(err) {
						t.Errorf("upload: %v, want %s", err, want)
					}
					if e := ts.end(t); !errors.Is(e.err, syscall.EFBIG) {
						t.Errorf("the server: %v", e.err)
					}
					tree(t, ts.dir, "big", "f"+PartSuffix)
					sameFile(t, ts.path("f"+PartSuffix), data[:fileLimit])

					cl = ts.dial(t)
					cl.Plain = plain
					dir := t.TempDir()
					if err := cl.Download(soon(t), "big", filepath.Join(dir, "f")); !errors.Is(err, syscall.EFBIG) {
						t.Errorf("download: %v", err)
					}
					tree(t, dir, "f"+PartSuffix)
					sameFile(t, filepath.Join(dir, "f"+PartSuffix), data[:fileLimit])

					cl = ts.dial(t)
					if err := cl.UploadFrom(soon(t), bytes.NewReader(small), 1000, "f"); err != nil {
						t.Error(err)
					}
					sameFile(t, ts.path("f"), small)
				})
			}
		}
	}
}
