package serpy2_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/wire"
)

// Verifies: SERPY2-15
func TestFrameBytes(t *testing.T) {
	check := func(name string, m wire.Message, err error, want string) {
		t.Helper()
		if err != nil || m.Type() != wire.TypeBytes || fmt.Sprintf("%x", m.Bytes()) != want {
			t.Errorf("%s is %v, %v, want bytes %s", name, m, err, want)
		}
	}
	m, err := serpy2.Frame[uint8]{Width: 3, Height: 2, Pix: []uint8{1, 2, 3, 4, 5, 255}}.Message()
	check("uint8", m, err, "0102030405ff")
	m, err = serpy2.Frame[uint16]{Width: 1, Height: 2, Pix: []uint16{1, 0x1234}}.Message()
	check("uint16", m, err, "01003412")
	m, err = serpy2.Frame[float32]{Width: 2, Height: 1, Pix: []float32{1, -0.5}}.Message()
	check("float32", m, err, "0000803f000000bf")
	m, err = serpy2.Frame[float32]{Width: 0, Height: 7}.Message()
	check("empty", m, err, "")
}

func roundTrip[T serpy2.Pixel](t *testing.T, pixel func() T) {
	t.Helper()
	for _, shape := range [][2]int{{0, 0}, {1, 1}, {7, 3}, {64, 48}} {
		f := serpy2.Frame[T]{Width: shape[0], Height: shape[1], Pix: make([]T, shape[0]*shape[1])}
		for i := range f.Pix {
			f.Pix[i] = pixel()
		}
		m, err := f.Message()
		if err != nil {
			t.Fatal(err)
		}
		got, err := serpy2.ParseFrame[T](m, f.Width, f.Height)
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%T of %v came back as %v, %v", f, shape, got, err)
		}
	}
}

// Verifies: SERPY2-15
func TestFrameRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	roundTrip(t, rng.Float32)
	roundTrip(t, func() uint16 { return uint16(rng.Uint32()) })
	roundTrip(t, func() uint8 { return uint8(rng.Uint32()) })
}

// Verifies: SERPY2-15
func TestFrameErrors(t *testing.T) {
	parse := func(m wire.Message, w, h int) error {
		_, err := serpy2.ParseFrame[float32](m, w, h)
		return err
	}
	produce := func(w, h int, pix ...float32) error {
		_, err := serpy2.Frame[float32]{Width: w, Height: h, Pix: pix}.Message()
		return err
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{parse(wire.Bytes([]byte("12345678")), 2, 2), "a serpy2 frame of 2 × 2 float32 has 16 bytes, this message has 8"},
		{parse(wire.Text("12345678"), 1, 2), "travels as bytes, this message is text"},
		{parse(wire.Int(3), 0, 0), "travels as bytes, this message is int"},
		{parse(wire.Bytes(nil), -1, 0), "can't be -1 × 0"},
		{parse(wire.Bytes(nil), 1<<15, 1<<15), "too large"},
		{parse(wire.Bytes(nil), 1, int(min(math.MaxUint32, int64(math.MaxInt))/4)), "bytes, this message has 0"},
		{parse(wire.Bytes(nil), math.MaxInt, math.MaxInt), "too large"},
		{produce(2, 2, 1, 2, 3), "has 4 pixels, not 3"},
		{produce(-2, -1, 1, 2), "can't be -2 × -1"},
		{produce(math.MaxInt, 4), "too large"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", c.err, c.want)
		}
		if c.want == "too large" && !errors.Is(c.err, wire.ErrTooLarge) {
			t.Errorf("%v is not ErrTooLarge", c.err)
		}
	}
}

func TestFrameAllocations(t *testing.T) {
	f := serpy2.Frame[float32]{Width: 64, Height: 64, Pix: make([]float32, 64*64)}
	n := testing.AllocsPerRun(100, func() {
		m, _ := f.Message()
		serpy2.ParseFrame[float32](m, 64, 64)
	})
	if n > 2 { // the bytes and the pixels
		t.Errorf("%v allocations to make and read a frame", n)
	}
}

// Row by row, as Python lays numbers out.
//
// Verifies: SERPY2-15
func TestFrameAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: only the table of TestFrameBytes was checked")
	}
	out, err := exec.Command(python, "-c", `
import array, sys
a = array.array("f", [y * 100 + x + 0.1 for y in range(3) for x in range(4)])
if sys.byteorder == "big": a.byteswap()
sys.stdout.buffer.write(a.tobytes())`).Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := serpy2.ParseFrame[float32](wire.Bytes(out), 4, 3)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 3 {
		for x := range 4 {
			if got, want := f.Pix[y*4+x], float32(float64(y*100+x)+0.1); got != want {
				t.Errorf("pixel %d, %d is %v, want %v", x, y, got, want)
			}
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	f := serpy2.Frame[float32]{Width: 512, Height: 512, Pix: make([]float32, 512*512)}
	m, err := f.Message()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Message", func(b *testing.B) {
		b.SetBytes(int64(m.Len()))
		b.ReportAllocs()
		for b.Loop() {
			f.Message()
		}
	})
	b.Run("ParseFrame", func(b *testing.B) {
		b.SetBytes(int64(m.Len()))
		b.ReportAllocs()
		for b.Loop() {
			serpy2.ParseFrame[float32](m, 512, 512)
		}
	})
}
