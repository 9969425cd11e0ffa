package transfer

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley"
)

// One file of 64 MiB over the loopback, to a disk or a tmpfs, as TMPDIR has it.
func BenchmarkTransfer(b *testing.B) {
	const size = 64 << 20
	for name, limits := range map[string]parley.Limits{"memory": {}, "stream": {MaxMessage: MaxLetter}} {
		for _, plain := range []bool{true, false} {
			ts := serve(b, limits, func(s *Server) { s.OnEnd, s.Logger = nil, nil })
			cl := ts.dial(b)
			cl.Plain, cl.Overwrite = plain, true
			local := filepath.Join(b.TempDir(), "f")
			data := bytes.NewReader(mix(size))
			b.Run(fmt.Sprintf("upload/%s/plain=%v", name, plain), func(b *testing.B) {
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					if err := cl.UploadFrom(b.Context(), data, size, "f"); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("download/%s/plain=%v", name, plain), func(b *testing.B) {
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					if err := cl.Download(b.Context(), "f", local); err != nil {
						b.Fatal(err)
					}
				}
			})
			cl.Close()
		}
	}
}

// What the hash and the disk alone would allow.
func BenchmarkFloor(b *testing.B) {
	const size = 64 << 20
	data := mix(size)
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			newHash().Write(data)
		}
	})
	b.Run("write+fsync", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			f, err := os.Create(filepath.Join(b.TempDir(), "f"))
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(f, bytes.NewReader(data))
			f.Sync()
			f.Close()
		}
	})
}
