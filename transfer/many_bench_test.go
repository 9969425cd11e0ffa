//go:build linux

package transfer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley"
)

// A folder of 10,000 small files from one folder to another over the loopback,
// against a bare copy over a TCP connection that names each file, writes it, and
// brings all to the disk in the end, in turns.
//
//	go test ./transfer -run '^$' -bench Folder -benchtime 3x
func BenchmarkFolder(b *testing.B) {
	from, names := tenThousand(b)
	ts := serve(b, parley.Limits{MaxMessage: MaxLetter}, func(s *Server) { s.OnEnd, s.Logger = nil, nil })
	if err := os.CopyFS(ts.path("served"), os.DirFS(from)); err != nil {
		b.Fatal(err)
	}
	for _, upload := range []bool{true, false} {
		b.Run(map[bool]string{true: "upload", false: "download"}[upload], func(b *testing.B) {
			cl := ts.dial(b)
			var bare, ours usage
			for b.Loop() {
				target := filepath.Join(b.TempDir(), "bare")
				if err := bare.of(func() error { return bareFolder(from, target, names) }); err != nil {
					b.Fatal(err)
				}
				os.RemoveAll(target)
				done := 0
				each := func(_ int, err error) {
					if err != nil {
						b.Error(err)
					}
					done++
				}
				err := ours.of(func() error {
					if upload {
						return cl.UploadMany(b.Context(), itemsOf(b, from, "up"), each)
					}
					root := openRoot(b, b.TempDir())
					var items []Item
					err := cl.List(b.Context(), "served", true, func(e Entry) error {
						items = append(items, Item{Local: e.Path, Remote: e.Path, Dir: e.IsDir(), Size: e.Size, Mode: e.Mode, ModTime: e.ModTime})
						return nil
					})
					items = append([]Item{{Local: "served", Dir: true}}, items...)
					return errors.Join(err, cl.DownloadMany(b.Context(), root, items, each))
				})
				if err != nil || done != 10_101 {
					b.Fatal(err, done)
				}
				os.RemoveAll(ts.path("up"))
			}
			b.ReportMetric(float64(b.N)*10_000/bare.time.Seconds(), "copy-files/s")
			b.ReportMetric(float64(b.N)*10_000/ours.time.Seconds(), "files/s")
			b.ReportMetric(ours.cpu.Seconds()/bare.cpu.Seconds(), "x-cpu")
			b.ReportMetric(ours.time.Seconds()/bare.time.Seconds(), "x-time")
		})
	}
}

// tenThousand is a folder of 10,000 small files.
func tenThousand(t testing.TB) (dir string, names []string) {
	dir = t.TempDir()
	for i := range 10_000 {
		name := fmt.Sprintf("d%02d/f%04d", i/100, i)
		names = append(names, name)
		if i%100 == 0 {
			os.Mkdir(filepath.Join(dir, filepath.Dir(name)), 0o777)
		}
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 1000+i%3000), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir, names
}

// bareFolder copies files over a TCP connection of the loopback, to the disk.
func bareFolder(from, target string, names []string) error {
	return overLoopback(func(c net.Conn) error { return sendBare(c, from, names) },
		func(c net.Conn) error { return receiveBare(c, target) })
}

// sendBare sends files, each behind the lengths of its name and contents.
func sendBare(c net.Conn, from string, names []string) error {
	w := bufio.NewWriterSize(c, 256<<10)
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		w.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(len(name))), uint32(len(data))))
		w.WriteString(name)
		w.Write(data)
	}
	return w.Flush()
}

// receiveBare writes them, and brings them to the disk.
func receiveBare(c net.Conn, target string) error {
	r := bufio.NewReaderSize(c, 256<<10)
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		b := make([]byte, binary.BigEndian.Uint32(head[:])+binary.BigEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		name := filepath.Join(target, string(b[:binary.BigEndian.Uint32(head[:])]))
		data := b[binary.BigEndian.Uint32(head[:]):]
		err := os.WriteFile(name, data, 0o666)
		if errors.Is(err, os.ErrNotExist) {
			if err = os.MkdirAll(filepath.Dir(name), 0o777); err == nil {
				err = os.WriteFile(name, data, 0o666)
			}
		}
		if err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(target)
	if err != nil {
		return err
	}
	defer root.Close()
	return syncAll(root)
}
