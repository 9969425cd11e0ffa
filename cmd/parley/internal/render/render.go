// Package render makes pictures of arrays of numbers, as cameras and other
// instruments send them.
package render

import (
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/wire"
)

// Type is the type of a pixel on the wire, little-endian.
type Type string

// The types, by their numpy names.
const (
	Float32 Type = "float32"
	Uint16  Type = "uint16"
	Uint8   Type = "uint8"
)

// Types are all types.
func Types() []Type { return []Type{Float32, Uint16, Uint8} }

// Size is the size of a pixel in bytes, 0 for a type that does not exist.
func (t Type) Size() int {
	switch t {
	case Float32:
		return 4
	case Uint16:
		return 2
	case Uint8:
		return 1
	}
	return 0
}

// Frame is an array of numbers. Every value of every type is exactly a
// float32.
type Frame struct {
	Width, Height int
	Pix           []float32 // row by row
}

// Decode reads a frame out of a bytes message; see serpy2.Frame.
func Decode(m wire.Message, t Type, width, height int) (Frame, error) {
	switch t {
	case Float32:
		f, err := serpy2.ParseFrame[float32](m, width, height)
		return Frame(f), err
	case Uint16:
		return widened[uint16](m, width, height)
	case Uint8:
		return widened[uint8](m, width, height)
	}
	return Frame{}, fmt.Errorf("there is no pixel type %q", t)
}

func widened[T uint16 | uint8](m wire.Message, width, height int) (Frame, error) {
	f, err := serpy2.ParseFrame[T](m, width, height)
	if err != nil {
		return Frame{}, err
	}
	wide := Frame{Width: width, Height: height, Pix: make([]float32, len(f.Pix))}
	for i, v := range f.Pix {
		wide.Pix[i] = float32(v)
	}
	return wide, nil
}

// Square returns the side of the square that n bytes of pixels of type t make,
// and whether they make one.
func Square(n int, t Type) (side int, ok bool) {
	if t.Size() == 0 || n <= 0 || n%t.Size() != 0 {
		return 0, false
	}
	pixels := n / t.Size()
	side = int(math.Round(math.Sqrt(float64(pixels))))
	return side, side*side == pixels
}

// Stats are the figures of a frame. Min, Max and Mean are those of the finite
// pixels, NaN if there are none.
type Stats struct {
	Min, Max, Mean float64
	NaN, Inf       int // pixels that are not a number, or infinite
}

// Stats returns the frame's figures.
func (f Frame) Stats() Stats {
	s := Stats{Min: math.Inf(1), Max: math.Inf(-1)}
	sum, n := 0.0, 0
	for _, v := range f.Pix {
		x := float64(v)
		switch {
		case math.IsNaN(x):
			s.NaN++
			continue
		case math.IsInf(x, 0):
			s.Inf++
			continue
		}
		s.Min, s.Max = min(s.Min, x), max(s.Max, x)
		sum += x
		n++
	}
	if n == 0 {
		s.Min, s.Max = math.NaN(), math.NaN()
	}
	s.Mean = sum / float64(n)
	return s
}

// Range is the part of the values that the colours are spread over. What lies
// outside gets the colour of the nearer end.
type Range struct{ Low, High float64 }

// Percentiles returns the range between two percentiles, 0 to 100, of the
// finite pixels. Between two pixels it interpolates as numpy.percentile does.
func (f Frame) Percentiles(low, high float64) Range {
	finite := make([]float32, 0, len(f.Pix))
	for _, v := range f.Pix {
		if x := float64(v); !math.IsNaN(x) && !math.IsInf(x, 0) {
			finite = append(finite, v)
		}
	}
	slices.Sort(finite)
	return Range{percentile(finite, low), percentile(finite, high)}
}

func percentile(sorted []float32, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p / 100 * float64(len(sorted)-1)
	i := int(at)
	v := float64(sorted[i])
	if i+1 < len(sorted) {
		v += (at - float64(i)) * (float64(sorted[i+1]) - v)
	}
	return v
}

// Draw paints the frame: the first row on top, Low in the map's first colour,
// High in its last one. In a range without extent everything that is not above
// it gets the first colour.
func (f Frame) Draw(r Range, m *Map) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
	scale := Levels / (r.High - r.Low)
	for i, v := range f.Pix {
		c := m.nan
		if x := float64(v); !math.IsNaN(x) {
			c = m.colors[level(x, r, scale)]
		}
		copy(img.Pix[4*i:], []uint8{c.R, c.G, c.B, c.A})
	}
	return img
}

// level is the colour's number of the value x.
func level(x float64, r Range, scale float64) int {
	switch {
	case x >= r.High && r.High > r.Low, x > r.High:
		return Levels - 1
	case x > r.Low:
		return min(int((x-r.Low)*scale), Levels-1)
	}
	return 0
}
