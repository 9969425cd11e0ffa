package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// sizes are sizes around everything that has a size.
var sizes = []int{0, 1, 300, 64<<10 - 1, 64 << 10, 64<<10 + 1, 4 << 20, 4<<20 + 1, 9 << 20}

// Verifies: TPFT-02, TPFT-03, TPFT-04, TPFT-06, TPFT-10
func TestUpAndDown(t *testing.T) {
	for name, limits := range map[string]parley.Limits{"in memory": {}, "streamed": {MaxMessage: MaxLetter}} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/plain=%v", name, plain), func(t *testing.T) {
				ts := serve(t, limits, nil)
				cl := ts.dial(t)
				cl.Plain = plain
				local := t.TempDir()
				for _, n := range sizes {
					data := mix(n)
					up := write(t, filepath.Join(local, "up"), data)
					down := filepath.Join(local, fmt.Sprint("down", n))
					remote := fmt.Sprint("file", n)
					if err := cl.Upload(soon(t), up, remote); err != nil {
						t.Fatal(err)
					}
					sameFile(t, ts.path(remote), data)
					if err := cl.Download(soon(t), remote, down); err != nil {
						t.Fatal(err)
					}
					sameFile(t, down, data)
					for _, upload := range []bool{true, false} {
						want := ended{Transfer: Transfer{Path: remote, Upload: upload, Size: int64(n), Done: int64(n)}}
						if got := ts.end(t); got != want {
							t.Errorf("the server saw %+v, want %+v", got, want)
						}
					}
				}
				if err := cl.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Verifies: TPFT-16
func TestProgress(t *testing.T) {
	var seen struct {
		sync.Mutex
		all []Transfer
	}
	ts := serve(t, parley.Limits{}, func(s *Server) {
		s.OnProgress = func(_ *parley.Conn, tr Transfer) {
			seen.Lock()
			defer seen.Unlock()
			seen.all = append(seen.all, tr)
		}
	})
	cl := ts.dial(t)
	cl.MessageSize = 100_000
	var own []Transfer
	cl.OnProgress = func(tr Transfer) { own = append(own, tr) }
	const size = 1_000_000
	check := func(side string, all []Transfer, want Transfer) {
		t.Helper()
		if len(all) < 5 {
			t.Fatalf("%s: %d reports", side, len(all))
		}
		for i, tr := range all {
			done := tr.Done
			tr.Done = 0
			if tr != want || i > 0 && done < all[i-1].Done {
				t.Fatalf("%s: %+v behind %+v", side, all[i], all[max(i-1, 0)])
			}
		}
		if all[0].Done != 0 || all[len(all)-1].Done != size {
			t.Errorf("%s: from %d to %d", side, all[0].Done, all[len(all)-1].Done)
		}
	}
	for _, upload := range []bool{true, false} {
		own, seen.all = nil, nil
		var err error
		if upload {
			err = cl.UploadFrom(soon(t), bytes.NewReader(mix(size)), size, "f")
		} else {
			err = cl.Download(soon(t), "f", filepath.Join(t.TempDir(), "f"))
		}
		if err != nil {
			t.Fatal(err)
		}
		ts.end(t)
		want := Transfer{Path: "f", Upload: upload, Size: size}
		check("client", own, want)
		seen.Lock()
		check("server", seen.all, want)
		seen.Unlock()
	}
}

// Verifies: TPFT-05, TPFT-08, TPFT-09
func TestRejections(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) {
		s.MaxFile = 100
		s.Allow = func(c *parley.Conn, tr Transfer) error {
			if strings.HasPrefix(tr.Path, "secret/") {
				return fmt.Errorf("%s is not for you", tr.Path)
			}
			return nil
		}
	})
	if err := os.Mkdir(ts.path("dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, ts.path("file"), []byte("old"))
	cl := ts.dial(t)
	for _, tt := range []struct {
		path         string
		upload, down string
	}{
		{"nothing", "", "[Errno 2] No such file or directory: 'nothing'"},
		{"it's", "", `[Errno 2] No such file or directory: "it's"`},
		{"dir", "[Errno 21] Is a directory: 'dir'", "[Errno 21] Is a directory: 'dir'"},
		{"missing/x", "[Errno 2] No such file or directory: 'missing/x'", "[Errno 2] No such file or directory: 'missing/x'"},
		{"./secret//x", "secret/x is not for you", "secret/x is not for you"},
	} {
		for reason, transfer := range map[string]func() error{
			tt.upload: func() error { return cl.UploadFrom(soon(t), bytes.NewReader([]byte("x")), 1, tt.path) },
			tt.down:   func() error { return cl.Download(soon(t), tt.path, filepath.Join(t.TempDir(), "f")) },
		} {
			if reason == "" {
				continue
			}
			var rejected *RejectedError
			if err := transfer(); !errors.As(err, &rejected) || rejected.Reason != reason || rejected.Transfer.Path != tt.path {
				t.Errorf("%s: %v, want %s", tt.path, err, reason)
			}
		}
	}
	var rejected *RejectedError
	if err := cl.UploadFrom(soon(t), bytes.NewReader(mix(101)), 101, "big"); !errors.As(err, &rejected) ||
		rejected.Reason != "a file of 101 bytes, this server takes 100: 'big'" {
		t.Error(err)
	}
	// The connection has not suffered.
	if err := cl.UploadFrom(soon(t), bytes.NewReader(mix(100)), 100, "file"); err != nil {
		t.Error(err)
	}
	sameFile(t, ts.path("file"), mix(100))
	tree(t, ts.dir, "file")
	if !strings.Contains(ts.log.String(), `reason="[Errno 21] Is a directory: 'dir'"`) {
		t.Error("rejections are not in the log")
	}
}

// Verifies: TPFT-08
func TestReadOnlyByDefault(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.Writable = false })
	write(t, ts.path("f"), []byte("content"))
	cl := ts.dial(t)
	var rejected *RejectedError
	err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "f")
	if !errors.As(err, &rejected) || rejected.Reason != "[Errno 30] Read-only file system: 'f'" {
		t.Error(err)
	}
	if err := cl.Download(soon(t), "f", filepath.Join(t.TempDir(), "f")); err != nil {
		t.Error(err)
	}
	tree(t, ts.dir, "f")
}

// Verifies: TPFT-17
func TestLocalFileFirst(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	write(t, ts.path("f"), []byte("new"))
	dir := t.TempDir()
	there := write(t, filepath.Join(dir, "there"), []byte("old"))
	cl := ts.dial(t)
	sent := cl.Conn.Stats().MessagesOut
	for local, want := range map[string]error{
		there:                              fs.ErrExist,
		filepath.Join(dir, "missing", "x"): fs.ErrNotExist,
		filepath.Join(there, "x"):          syscall.ENOTDIR,
		dir:                                syscall.EISDIR,
		dir + string(filepath.Separator):   syscall.EISDIR,
	} {
		if err := cl.Download(soon(t), "f", local); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", local, err, want)
		}
	}
	for local, want := range map[string]error{
		filepath.Join(dir, "missing"): fs.ErrNotExist,
		dir:                           syscall.EISDIR,
	} {
		if err := cl.Upload(soon(t), local, "x"); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", local, err, want)
		}
	}
	if err := cl.Download(soon(t), "f", filepath.Join(dir, "x"+PartSuffix)); err == nil {
		t.Error("a name of an incomplete file was taken")
	}
	if n := cl.Conn.Stats().MessagesOut; n != sent {
		t.Errorf("%d messages were sent", n-sent)
	}
	tree(t, dir, "there")
	sameFile(t, there, []byte("old"))

	cl.Overwrite = true
	if err := os.Chmod(there, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(there, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if err := cl.Download(soon(t), "f", link); err != nil {
		t.Fatal(err)
	}
	sameFile(t, there, []byte("new"))
	if info, err := os.Stat(there); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want that of the old file (%v)", info.Mode(), err)
	}
}

func TestNoRoot(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.Root = nil })
	if err := ts.dial(t).Download(soon(t), "f", filepath.Join(t.TempDir(), "f")); !errors.Is(err, parley.ErrPeerClosed) {
		t.Error(err)
	}
}

// What happens to the names while data is under way. The connection is good
// for more afterwards.
//
// Verifies: TPFT-10
func TestMeanwhile(t *testing.T) {
	var meanwhile func()
	ts := serve(t, parley.Limits{}, func(s *Server) {
		s.OnProgress = func(_ *parley.Conn, tr Transfer) {
			if tr.Upload && tr.Done == tr.Size {
				meanwhile()
			}
		}
	})
	cl := ts.dial(t)
	upload := func(what string, do func() error) error {
		t.Helper()
		meanwhile = func() {
			if err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		return cl.UploadFrom(soon(t), strings.NewReader("new"), 3, "f")
	}
	if err := upload("a folder takes the name", func() error { return os.Mkdir(ts.path("f"), 0o755) }); err == nil {
		t.Error("a folder was replaced")
	}
	if err := os.Remove(ts.path("f")); err != nil {
		t.Error(err)
	}
	want := "somebody has removed or replaced 'f" + PartSuffix + "'"
	if err := upload("the temporary file goes", func() error { return os.Remove(ts.path("f" + PartSuffix)) }); !rejectedWith(want)(err) {
		t.Error(err)
	}
	if err := upload("nothing", func() error { return nil }); err != nil {
		t.Error(err)
	}
	sameFile(t, ts.path("f"), []byte("new"))
	tree(t, ts.dir, "f")

	target := filepath.Join(t.TempDir(), "f")
	cl.OnProgress = func(tr Transfer) {
		if tr.Done == tr.Size {
			write(t, target, []byte("somebody else's"))
		}
	}
	if err := cl.Download(soon(t), "f", target); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	sameFile(t, target, []byte("somebody else's"))
	os.Remove(target)
	cl.OnProgress = nil
	if err := cl.Download(soon(t), "f", target); err != nil {
		t.Error(err)
	}
	sameFile(t, target, []byte("new"))
}

// errReader has zeros, and can't be read behind some byte.
type errReader struct {
	from int64
	err  error
}

func (r errReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.from {
		return 0, r.err
	}
	clear(p)
	return len(p), nil
}

func TestUnreadableSource(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	broken := errors.New("the disk is broken")
	// While the beginning is compared: the connection lives.
	write(t, ts.path("f"+PartSuffix), make([]byte, 100))
	cl := ts.dial(t)
	if err := cl.UploadFrom(soon(t), errReader{50, broken}, 200, "f"); !errors.Is(err, broken) || cl.Conn.Err() != nil {
		t.Errorf("%v, connection: %v", err, cl.Conn.Err())
	}
	if e := ts.end(t); !rejectedWith("reading the first 100 bytes: the disk is broken")(e.err) {
		t.Error(e.err)
	}
	// While data is sent: only an end of the connection can tell.
	if err := cl.UploadFrom(soon(t), errReader{100, broken}, 200, "f"); !errors.Is(err, broken) || cl.Conn.Err() == nil {
		t.Errorf("%v, connection: %v", err, cl.Conn.Err())
	}
	if e := ts.end(t); e.err == nil {
		t.Error("the server takes the upload for complete")
	}
	cl = ts.dial(t)
	if err := cl.UploadFrom(soon(t), strings.NewReader("short"), 200, "f"); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	ts.end(t)
	tree(t, ts.dir, "f"+PartSuffix)
}
