package render

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parley-net/parley"
)

// every is a frame of 3 × 2 pixels of each type, with its least and greatest values.
var every = map[Type]any{
	Float64: []float64{0.1, -1e300, math.Pi, 5, math.SmallestNonzeroFloat64, 7},
	Float32: []float32{0.1, -1e30, math.Pi, 5, 0, 7},
	Int16:   []int16{-32768, -1, 0, 1, 32767, 258},
	Uint16:  []uint16{0, 1, 255, 256, 65535, 513},
	Uint8:   []uint8{0, 1, 127, 128, 255, 2},
	RGB:     []uint8{255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9},
}

func bytesOf(t *testing.T, values any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeEveryType(t *testing.T) {
	for typ, values := range every {
		b := bytesOf(t, values)
		f, err := Decode(parley.Bytes(b), typ, 3, 2)
		if err != nil || f.Width != 3 || f.Height != 2 || f.Color != (typ == RGB) {
			t.Errorf("%s: %+v, %v", typ, f, err)
		}
		if len(b) != 6*typ.Size() {
			t.Errorf("%s: %d bytes for 6 pixels", typ, len(b))
		}
		if _, err := Decode(parley.Bytes(b[1:]), typ, 3, 2); err == nil {
			t.Errorf("%s: a byte less is no error", typ)
		}
		if typ == Float64 && f.Stats().Min != -1e300 {
			t.Errorf("float64 has the least value %v", f.Stats().Min)
		}
	}
	f, _ := Decode(parley.Bytes(bytesOf(t, every[RGB])), RGB, 3, 2)
	img := f.Draw(Range{0, 255}, &Map{})
	want := []byte{255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255}
	if !bytes.Equal(img.Pix, want) {
		t.Errorf("RGB: %v", img.Pix)
	}
}

// Sixteen bits of gray keep every value of a uint16.
func TestGrayIn16Bits(t *testing.T) {
	var all []uint16
	for v := range 1 << 16 {
		all = append(all, uint16(v))
	}
	f, err := Decode(parley.Bytes(bytesOf(t, all)), Uint16, 256, 256)
	if err != nil {
		t.Fatal(err)
	}
	img := f.Gray(Range{0, 65535})
	for i, v := range all {
		if got := binary.BigEndian.Uint16(img.Pix[2*i:]); got != v {
			t.Fatalf("%d became %d", v, got)
		}
	}
	if odd := (Frame{Width: 3, Height: 1, Pix: []float64{math.NaN(), -5, 5}}).Gray(Range{-1, 1}).Pix; !bytes.Equal(odd, []byte{0, 0, 0, 0, 255, 255}) {
		t.Errorf("%v", odd)
	}
	small, _ := Decode(parley.Bytes([]byte{0, 127, 128, 255}), Uint8, 4, 1)
	if got := small.Gray8(Range{0, 255}).Pix; !slices.Equal(got, []byte{0, 127, 128, 255}) {
		t.Errorf("%v", got)
	}
}

// A FITS file is whole blocks with cards of 80 characters.
func TestFITS(t *testing.T) {
	for typ, values := range every {
		b, err := FITS(bytesOf(t, values), typ, 3, 2)
		if err != nil || len(b) != 2*fitsBlock {
			t.Fatalf("%s: %d bytes, %v", typ, len(b), err)
		}
		if !bytes.HasPrefix(b, []byte("SIMPLE  =                    T / a FITS file")) || bytes.Index(b, []byte("END   "))%80 != 0 {
			t.Errorf("%s: %q", typ, b[:fitsBlock])
		}
	}
	b, _ := FITS(bytesOf(t, every[Uint16]), Uint16, 3, 2)
	if got := b[fitsBlock : fitsBlock+12]; !bytes.Equal(got, []byte{0x80, 0, 0x80, 1, 0x80, 255, 0x81, 0, 0x7f, 255, 0x82, 1}) {
		t.Errorf("% x", got)
	}
	if _, err := FITS(nil, "int64", 1, 1); err == nil {
		t.Error("no error")
	}
}

// astropy and numpy read what was sent.
func TestAstropyAgrees(t *testing.T) {
	python := os.Getenv("PARLEY_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import astropy.io.fits").Run(); err != nil {
		t.Skipf("%s has no astropy (%v); TestFITS has the bytes", python, err)
	}
	for typ, values := range every {
		pixels := bytesOf(t, values)
		dir := t.TempDir()
		fits, err := FITS(pixels, typ, 3, 2)
		npy, err2 := NPY(pixels, typ, 3, 2)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for name, b := range map[string][]byte{"a.fits": fits, "a.npy": npy, "raw": pixels} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(python, "-W", "error", "-c", `
import numpy, sys
from astropy.io import fits
kind = sys.argv[1]
with fits.open("a.fits") as f:
    f.verify("exception")
    a = f[0].data
n = numpy.load("a.npy")
dtype = numpy.dtype("u1" if kind == "rgb" else kind).newbyteorder("<")
raw = numpy.fromfile("raw", dtype)
if kind == "rgb":
    assert a.shape == (3, 2, 3), a.shape
    a, raw = numpy.moveaxis(a, 0, 2), raw.reshape(2, 3, 3)
else:
    raw = raw.reshape(2, 3)
assert a.dtype.newbyteorder("=") == dtype.newbyteorder("="), a.dtype
assert numpy.array_equal(a, raw) and numpy.array_equal(n, raw), (a, n, raw)
`, string(typ))
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", typ, err, out)
		}
	}
}
