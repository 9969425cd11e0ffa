// Package render makes pictures of arrays of numbers, as cameras and other
// instruments send them.
package render

import (
	"encoding/binary"
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
	Float64 Type = "float64"
	Int16   Type = "int16"
	RGB     Type = "rgb" // red, green and blue, a byte each
)

// Types are all types.
func Types() []Type { return []Type{Float32, Uint16, Uint8, Float64, Int16, RGB} }

// Guessed are the types that a frame is taken for when nobody says which it is.
func Guessed() []Type { return []Type{Float32, Uint16, Uint8} }

// Size is the size of a pixel in bytes, 0 for a type that does not exist.
func (t Type) Size() int {
	switch t {
	case Float64:
		return 8
	case Float32:
		return 4
	case RGB:
		return 3
	case Uint16, Int16:
		return 2
	case Uint8:
		return 1
	}
	return 0
}

// Frame is an array of numbers.
type Frame struct {
	Width, Height int
	Pix           []float64 // row by row; of RGB three for each pixel
	Color         bool      // RGB
}

// Decode reads a frame out of a bytes message; see serpy2.Frame.
func Decode(m wire.Message, t Type, width, height int) (Frame, error) {
	switch t {
	case Float32:
		return widened[float32](m, width, height)
	case Float64:
		return widened[float64](m, width, height)
	case Uint16:
		return widened[uint16](m, width, height)
	case Int16:
		return widened[int16](m, width, height)
	case Uint8:
		return widened[uint8](m, width, height)
	case RGB:
		f, err := widened[uint8](m, 3*width, height)
		return Frame{Width: width, Height: height, Pix: f.Pix, Color: true}, err
	}
	return Frame{}, fmt.Errorf("there is no pixel type %q", t)
}

func widened[T float32 | float64 | uint16 | int16 | uint8](m wire.Message, width, height int) (Frame, error) {
	f, err := serpy2.ParseFrame[T](m, width, height)
	if err != nil {
		return Frame{}, err
	}
	wide := Frame{Width: width, Height: height, Pix: make([]float64, len(f.Pix))}
	for i, v := range f.Pix {
		wide.Pix[i] = float64(v)
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
	sum, lost, n := 0.0, 0.0, 0 // with what rounding loses (Kahan)
	for _, x := range f.Pix {
		switch {
		case math.IsNaN(x):
			s.NaN++
			continue
		case math.IsInf(x, 0):
			s.Inf++
			continue
		}
		s.Min, s.Max = min(s.Min, x), max(s.Max, x)
		y := x - lost
		now := sum + y
		lost = now - sum - y
		sum = now
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
	finite := make([]float64, 0, len(f.Pix))
	for _, x := range f.Pix {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			finite = append(finite, x)
		}
	}
	slices.Sort(finite)
	return Range{percentile(finite, low), percentile(finite, high)}
}

func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p / 100 * float64(len(sorted)-1)
	i := int(at)
	v := sorted[i]
	if i+1 < len(sorted) {
		v += (at - float64(i)) * (sorted[i+1] - v)
	}
	return v
}

// Draw paints the frame: the first row on top, Low in the map's first colour,
// High in its last one. In a range without extent everything that is not above
// it gets the first colour. RGB has its own colours, spread over the range.
func (f Frame) Draw(r Range, m *Map) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
	scale := Levels / (r.High - r.Low)
	if f.Color {
		for i, x := range f.Pix {
			img.Pix[4*(i/3)+i%3] = uint8(level(x, r, scale))
			img.Pix[4*(i/3)+3] = 0xFF
		}
		return img
	}
	for i, x := range f.Pix {
		c := m.nan
		if !math.IsNaN(x) {
			c = m.colors[level(x, r, scale)]
		}
		copy(img.Pix[4*i:], []uint8{c.R, c.G, c.B, c.A})
	}
	return img
}

// Gray paints the frame in 16 bits of gray: Low is black, High white; what is not a
// number is black.
func (f Frame) Gray(r Range) *image.Gray16 {
	img := image.NewGray16(image.Rect(0, 0, f.Width, f.Height))
	for i, x := range f.Pix {
		v := 0.0
		switch {
		case x >= r.High && r.High > r.Low, x > r.High:
			v = math.MaxUint16
		case x > r.Low:
			v = math.Round((x - r.Low) / (r.High - r.Low) * math.MaxUint16)
		}
		binary.BigEndian.PutUint16(img.Pix[2*i:], uint16(v))
	}
	return img
}

// Gray8 paints the frame in 8 bits of gray.
func (f Frame) Gray8(r Range) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, f.Width, f.Height))
	for i, v := range f.Gray(r).Pix {
		if i%2 == 0 {
			img.Pix[i/2] = v
		}
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
