//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
)

// Pillow, which has nothing of ours, reads every value of 16 bits from the TIFF and
// the PNG that are written, of 8 bits and of colours as well.
func TestPillowReadsPictures(t *testing.T) {
	python := instrumentPython(t, "PIL.Image")
	var all []byte
	for v := range 1 << 16 {
		all = binary.LittleEndian.AppendUint16(all, uint16(v*40503)) // each once, in no order
	}
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.Send(ctx, parley.Bytes(all[:m.Int()]))
	})}
	url := "serpy2://" + parleytest.NewServer(t, srv)
	for name, tt := range map[string]struct {
		args []string
		size int
		read string // the values as bytes, as they were sent
	}{
		"a.tiff": {[]string{"--type", "uint16", "--shape", "256x256"}, 1 << 17, `struct.pack("<%dH" % len(v), *v)`},
		"a.tif":  {[]string{"--type", "uint8", "--shape", "512x256"}, 1 << 17, `bytes(v)`},
		"c.tiff": {[]string{"--type", "rgb", "--shape", "128x100"}, 3 * 128 * 100, `bytes(c for p in v for c in p[:3])`},
		"a.png":  {[]string{"--type", "uint16", "--shape", "256x256", "--depth", "16"}, 1 << 17, `struct.pack("<%dH" % len(v), *v)`},
	} {
		file := filepath.Join(t.TempDir(), name)
		code, _, stderr := runParley(t, "", append([]string{"image", url, "--ask", fmt.Sprintf("int:%d", tt.size), "-o", file}, tt.args...)...)
		if code != 0 {
			t.Fatalf("%s: exit code %d, %s", name, code, stderr)
		}
		out, err := exec.Command(python, "-c", fmt.Sprintf(`
import struct, sys
from PIL import Image
v = list(Image.open(sys.argv[1]).getdata())
sys.stdout.buffer.write(%s)`, tt.read), file).Output()
		if err != nil || !bytes.Equal(out, all[:tt.size]) {
			t.Errorf("%s: Pillow reads %d bytes that are not the %d sent (%v)", name, len(out), tt.size, err)
		}
	}
	t.Log("Pillow agrees: ok")
}
