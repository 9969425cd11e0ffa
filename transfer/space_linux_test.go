package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// smallDisk mounts a file system of one megabyte at dir.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small file system can't be mounted, which takes root; TestFullDisk has another disk that takes no more: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// remount changes the file system at dir: its size, or whether it can be
// written.
func remount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatal(err)
	}
}

// A disk is full, or can't be written any more, in the middle of a file: the
// error says so, what has come stays, and when the disk takes more the file is
// completed from there. If it has changed since, it is the new one that
// arrives, whole.
//
// Verifies: TPFT-14, TPFT-15
func TestDiskRecovers(t *testing.T) {
	const size = 3 << 20
	data := mix(size)
	at := func(i int) []byte {
		b := bytes.Clone(data)
		b[i]++
		return b
	}
	resumed := 0
	for _, tt := range []struct {
		name    string
		later   []byte // the file at the second attempt
		resumes bool
	}{
		{"the same file", data, true},
		{"changed in its beginning", at(0), false},
		{"changed where the first attempt ended", at(1<<20 - 4096), false},
		{"changed in its end", at(size - 1), true},
		{"longer", append(bytes.Clone(data), "more"...), true},
		{"shorter than what is there", data[:1000], false},
		{"empty", nil, false},
	} {
		for _, upload := range []bool{true, false} {
			for _, readOnly := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/upload=%v/read-only=%v", tt.name, upload, readOnly), func(t *testing.T) {
					disk, other := t.TempDir(), t.TempDir()
					smallDisk(t, disk)
					served, source, target := disk, filepath.Join(other, "f"), filepath.Join(disk, "f")
					if !upload {
						served = other
					}
					root, err := os.OpenRoot(served)
					if err != nil {
						t.Fatal(err)
					}
					defer root.Close()
					ts := serve(t, parley.Limits{MaxMessage: MaxLetter}, func(s *Server) { s.Root = root })
					attempt := func() (Transfer, error) {
						cl := ts.dial(t)
						var first *Transfer
						cl.OnProgress = func(tr Transfer) {
							if first == nil {
								first = &tr
							}
						}
						defer func() {
							cl.Close()
							ts.settle(t)
						}()
						var err error
						if upload {
							err = cl.Upload(soon(t), source, "f")
						} else {
							err = cl.Download(soon(t), "f", target)
						}
						if first == nil {
							first = &Transfer{}
						}
						return *first, err
					}

					write(t, source, data)
					if _, err := attempt(); upload && !rejectedWith("[Errno 28] No space left on device: 'f'")(err) || !upload && !errors.Is(err, syscall.ENOSPC) {
						t.Fatalf("on a full disk: %v", err)
					}
					tree(t, disk, "f"+PartSuffix)
					part := read(t, target+PartSuffix)
					if len(part) == 0 || !bytes.HasPrefix(data, part) {
						t.Fatalf("%d bytes are kept, or they are not the file's", len(part))
					}
					if readOnly {
						remount(t, disk, syscall.MS_RDONLY, "size=1m")
						if _, err := attempt(); upload && !rejectedWith("[Errno 30] Read-only file system: 'f'")(err) || !upload && !errors.Is(err, syscall.EROFS) {
							t.Errorf("on a disk that can't be written: %v", err)
						}
						sameFile(t, target+PartSuffix, part)
					}
					remount(t, disk, 0, "size=16m")
					write(t, source, tt.later)
					first, err := attempt()
					if err != nil {
						t.Fatal(err)
					}
					want := int64(0)
					if tt.resumes {
						want = int64(len(part))
						resumed++
					}
					if first.Resumed != want {
						t.Errorf("it continues at %d, want %d", first.Resumed, want)
					}
					sameFile(t, target, tt.later)
					tree(t, disk, "f")
				})
			}
		}
	}
	t.Logf("%d transfers continued where the disk had ended", resumed)
}
