package transfer

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// asNobody runs f on a thread that may do what an ordinary user may: the tests
// may run as root.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	syscall.Syscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	defer syscall.Syscall(syscall.SYS_SETFSUID, 0, 0, 0)
	if now, _, _ := syscall.Syscall(syscall.SYS_SETFSUID, nobody, 0, 0); now != nobody {
		t.Skip("this thread can't become an ordinary user's; it needs CAP_SETUID")
	}
	f()
}

// Verifies: TPFT-08, TPFT-17
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // others have to get in
			t.Fatal(err)
		}
	}
	root := openRoot(t, dir)
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	os.Chmod(open, 0o777)
	write(t, filepath.Join(open, "read-only"), []byte("old"))
	os.Chmod(filepath.Join(open, "read-only"), 0o444)
	write(t, filepath.Join(open, "secret"), []byte("old"))
	os.Chmod(filepath.Join(open, "secret"), 0)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		for _, name := range []string{"open/read-only", "closed/new", "open/secret"} {
			p, err := openPartial(t.Context(), root, name, true)
			if err == nil {
				p.Close()
			}
			if want := "[Errno 13] Permission denied: '" + name + "'"; !errors.Is(err, os.ErrPermission) || reason(err, name) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := openSource("open/secret", root.Stat, root.Open); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
		var cl Client
		if _, _, err := cl.openLocal(t.Context(), filepath.Join(closed, "new")); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
	})
	tree(t, dir, "open/read-only", "open/secret")
}

// Verifies: TPFT-14
func TestNoSpace(t *testing.T) {
	dir := t.TempDir()
	smallDisk(t, dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	ts := serve(t, parley.Limits{}, func(s *Server) { s.Root = root })
	cl := ts.dial(t)
	big := write(t, filepath.Join(t.TempDir(), "big"), mix(3<<20))
	if err := cl.Upload(soon(t), big, "f"); !rejectedWith("[Errno 28] No space left on device: 'f'")(err) {
		t.Error(err)
	}
	ts.settle(t)
	root.Close()
	tree(t, dir, "f"+PartSuffix)
}
