package render

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func TestDecode(t *testing.T) {
	m := parley.Bytes([]byte{0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0})
	for _, test := range []struct {
		typ  Type
		w, h int
		want []float64
	}{
		{Float32, 2, 1, []float64{1, -2}},
		{Float32, 1, 2, []float64{1, -2}},
		{Uint16, 4, 1, []float64{0, 0x3F80, 0, 0xC000}},
		{Uint8, 2, 4, []float64{0, 0, 128, 63, 0, 0, 0, 192}},
	} {
		f, err := Decode(m, test.typ, test.w, test.h)
		if err != nil || f.Width != test.w || f.Height != test.h || !slices.Equal(f.Pix, test.want) {
			t.Errorf("%s %d×%d: %v, %v", test.typ, test.w, test.h, f, err)
		}
	}
	for _, bad := range []error{
		second(Decode(m, Float32, 3, 1)), second(Decode(m, Uint16, 3, 1)), second(Decode(m, Uint8, 3, 1)),
		second(Decode(m, "int64", 1, 1)), second(Decode(parley.Text("12345678"), Float32, 2, 1)),
	} {
		if bad == nil {
			t.Error("no error")
		}
	}
}

func second[A any](_ A, err error) error { return err }

func TestSquare(t *testing.T) {
	for _, test := range []struct {
		n    int
		typ  Type
		side int
		ok   bool
	}{
		{512 * 512 * 4, Float32, 512, true}, {512 * 512 * 2, Uint16, 512, true}, {1, Uint8, 1, true},
		{2 * 512 * 512, Uint8, 724, false}, {7, Float32, 0, false}, {0, Uint8, 0, false}, {8, "int64", 0, false},
	} {
		if side, ok := Square(test.n, test.typ); side != test.side || ok != test.ok {
			t.Errorf("%d bytes of %s: %d, %v", test.n, test.typ, side, ok)
		}
	}
}

func TestStats(t *testing.T) {
	f := Frame{Width: 6, Height: 1, Pix: []float64{2, nan, -1, inf, 5, -inf}}
	if s := f.Stats(); s != (Stats{Min: -1, Max: 5, Mean: 2, NaN: 1, Inf: 2}) {
		t.Errorf("%+v", s)
	}
	for _, f := range []Frame{{}, {Width: 1, Height: 1, Pix: []float64{nan}}} {
		if s := f.Stats(); !math.IsNaN(s.Min) || !math.IsNaN(s.Max) || !math.IsNaN(s.Mean) {
			t.Errorf("%+v", s)
		}
	}
	// A million equal values must not lose digits.
	big := Frame{Pix: slices.Repeat([]float64{0.1}, 1<<20)}
	if s := big.Stats(); math.Abs(s.Mean-0.1) > 1e-12 {
		t.Errorf("mean %v", s.Mean)
	}
}

func TestPercentiles(t *testing.T) {
	f := Frame{Pix: []float64{5, nan, 1, 4, inf, 2, 3, -inf}} // 1 to 5
	for _, test := range []struct{ low, high, a, b float64 }{
		{0, 100, 1, 5}, {50, 75, 3, 4}, {10, 90, 1.4, 4.6}, {1, 99, 1.04, 4.96},
	} {
		r := f.Percentiles(test.low, test.high)
		if math.Abs(r.Low-test.a) > 1e-9 || math.Abs(r.High-test.b) > 1e-9 {
			t.Errorf("%v, %v: %v", test.low, test.high, r)
		}
	}
	if r := (Frame{Pix: []float64{nan}}).Percentiles(1, 99); !math.IsNaN(r.Low) || !math.IsNaN(r.High) {
		t.Errorf("%v", r)
	}
}

func viridisAt(t *testing.T, i int) color.RGBA {
	t.Helper()
	m, err := MapByName("viridis")
	if err != nil {
		t.Fatal(err)
	}
	return m.colors[i]
}

// The well-known palettes of four and of six colours are in it, and no step is
// darker than the one before.
func TestViridis(t *testing.T) {
	if len(viridis) != 6*Levels {
		t.Fatalf("%d digits", len(viridis))
	}
	for i, want := range map[int]string{
		0: "440154", 51: "414487", 85: "31688e", 102: "2a788e", 153: "22a884", 170: "35b779", 204: "7ad151", 255: "fde725",
	} {
		c := viridisAt(t, i)
		if got := fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	luminance := func(c color.RGBA) float64 {
		return 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
	}
	for i := 1; i < Levels; i++ {
		if a, b := luminance(viridisAt(t, i-1)), luminance(viridisAt(t, i)); b < a-0.5 {
			t.Errorf("%d is darker than %d: %v, %v", i, i-1, b, a)
		}
	}
}

func TestMapNames(t *testing.T) {
	for _, name := range MapNames() {
		m, err := MapByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(m.colors[:], m.nan) {
			t.Errorf("%s: NaN looks like a number", name)
		}
	}
	if _, err := MapByName("jet"); err == nil || !strings.Contains(err.Error(), `"jet"`) {
		t.Error(err)
	}
}

// Draw is checked through PNG, as a viewer sees it.
func TestDraw(t *testing.T) {
	gray, _ := MapByName("gray")
	vir, _ := MapByName("viridis")
	f := Frame{Width: 4, Height: 2, Pix: []float64{0, 1, 2, 4, nan, inf, -inf, 100}}
	for name, test := range map[string]struct {
		r    Range
		m    *Map
		want []color.RGBA
	}{
		"gray": {Range{0, 4}, gray, grays(0, 64, 128, 255, -1, 255, 0, 255)},
		"clip": {Range{1, 2}, gray, grays(0, 0, 255, 255, -1, 255, 0, 255)},
		"flat": {Range{1, 1}, gray, grays(0, 0, 255, 255, -1, 255, 0, 255)},
		"none": {Range{math.NaN(), math.NaN()}, gray, grays(0, 0, 0, 0, -1, 0, 0, 0)},
		"viridis": {Range{0, 100}, vir, []color.RGBA{
			vir.colors[0], vir.colors[2], vir.colors[5], vir.colors[10], vir.nan, vir.colors[255], vir.colors[0], vir.colors[255]}},
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, f.Draw(test.r, test.m)); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds().Dx() != 4 || img.Bounds().Dy() != 2 {
			t.Errorf("%s: %v", name, img.Bounds())
		}
		for i, want := range test.want {
			if got := color.RGBAModel.Convert(img.At(i%4, i/4)); got != want {
				t.Errorf("%s: pixel %d is %v, want %v", name, i, got, want)
			}
		}
	}
}

// grays returns colours of gray; -1 stands for NaN.
func grays(levels ...int) []color.RGBA {
	var cs []color.RGBA
	for _, l := range levels {
		if l < 0 {
			cs = append(cs, notANumber)
		} else {
			cs = append(cs, color.RGBA{uint8(l), uint8(l), uint8(l), 255})
		}
	}
	return cs
}

// A uint8 picture in gray over 0 to 255 is the picture itself.
func TestGrayIsLossless(t *testing.T) {
	gray, _ := MapByName("gray")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	f, err := Decode(parley.Bytes(all), Uint8, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	img := f.Draw(Range{0, 255}, gray)
	for i := range all {
		if img.Pix[4*i] != byte(i) {
			t.Fatalf("%d became %d", i, img.Pix[4*i])
		}
	}
}

func TestNPY(t *testing.T) {
	b, err := NPY([]byte{1, 2, 3, 4, 5, 6}, Uint16, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := "\x93NUMPY\x01\x00\x76\x00{'descr': '<u2', 'fortran_order': False, 'shape': (1, 3), }"
	want += strings.Repeat(" ", 127-len(want)) + "\n\x01\x02\x03\x04\x05\x06"
	if string(b) != want {
		t.Errorf("%q\nwant\n%q", b, want)
	}
	for _, typ := range Types() {
		for w := range 130 { // whatever the length of the header
			b, err := NPY(nil, typ, w*w*w, 1)
			if err != nil || len(b)%64 != 0 || b[len(b)-1] != '\n' || int(b[8]) != len(b)-10 {
				t.Fatalf("%s %d: %d bytes, %v", typ, w, len(b), err)
			}
		}
	}
	if _, err := NPY(nil, "int64", 1, 1); err == nil {
		t.Error("no error")
	}
}

// numpy agrees about files, percentiles and mean.
func TestNumpyAgrees(t *testing.T) {
	python := os.Getenv("PARLEY_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import numpy").Run(); err != nil {
		t.Skipf("%s has no numpy (%v); the tables above say the same", python, err)
	}
	pix := make([]byte, 4*300)
	for i := range 300 {
		x := math.Float32bits(float32(math.Sin(float64(i*i)) * float64(i)))
		copy(pix[4*i:], []byte{byte(x), byte(x >> 8), byte(x >> 16), byte(x >> 24)})
	}
	file := filepath.Join(t.TempDir(), "a.npy")
	b, err := NPY(pix, Float32, 20, 15)
	if err == nil {
		err = os.WriteFile(file, b, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import numpy, sys
a = numpy.load(sys.argv[1])
assert a.shape == (15, 20) and a.dtype == numpy.float32, (a.shape, a.dtype)
print(a[14, 19], a[0, 1], *numpy.percentile(a.astype(float), [1, 99, 37.5]), a.astype(float).mean())`, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got [6]float64
	if n, err := fmt.Sscan(string(out), &got[0], &got[1], &got[2], &got[3], &got[4], &got[5]); n != 6 {
		t.Fatal(errors.Join(err, errors.New(string(out))))
	}
	f, err := Decode(parley.Bytes(pix), Float32, 20, 15)
	if err != nil {
		t.Fatal(err)
	}
	r, q := f.Percentiles(1, 99), f.Percentiles(37.5, 100)
	for i, want := range []float64{float64(f.Pix[299]), float64(f.Pix[1]), r.Low, r.High, q.Low, f.Stats().Mean} {
		if math.Abs(got[i]-want) > 1e-5*math.Max(1, math.Abs(want)) {
			t.Errorf("%d: numpy %v, we %v", i, got[i], want)
		}
	}
}
