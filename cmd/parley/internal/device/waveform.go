package device

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-net/parley/wire"
)

// maxPoints is how many points a waveform may have.
const maxPoints = 1_000_000

// waveform is a row of numbers that an expression computes, one for each i of 0
// to n-1; x is i/n.
type waveform struct {
	expr   *expression
	points template
	format string
	show   *variable // as text, in a format
}

// sampleForms are how a sample is written: numbers of so many bits, big-endian
// unless the name says le, or text parted by commas. A format such as %+.8E is such
// text too.
var sampleForms = []string{"u8", "i8", "u16be", "u16le", "i16be", "i16le", "i32be", "i32le", "f32be", "f32le", "f64be", "f64le", "ascii"}

// waveform reads {waveform = "sin(2*pi*x)", points = 1000, format = "i16be"}.
func (r *fileReader) waveform(of *rule, text string, t map[string]any, n node) (*waveform, error) {
	names := &names{prog: r.prog, captures: of.captures}
	w := &waveform{format: "u8"}
	var err error
	if w.expr, err = names.compile(text, "i", "n", "x"); err != nil {
		return nil, n.at("waveform").errorf("waveform %q is no expression: %w", short(text), err)
	}
	if w.points, err = r.template(of, "1000", n); err != nil {
		return nil, err
	}
	if p, ok := t["points"]; ok {
		if w.points, err = r.template(of, fmt.Sprint(p), n.at("points")); err != nil {
			return nil, err
		}
		if fixed, ok := w.points.constant(); ok {
			if _, err := pointCount(fixed); err != nil {
				return nil, n.at("points").wrap(err)
			}
		}
	}
	if f, ok := t["format"]; ok {
		w.format, _ = f.(string)
	}
	if strings.Contains(w.format, "%") {
		verb, err := formatVerb(w.format)
		if err != nil {
			return nil, n.at("format").wrap(err)
		}
		w.show, w.format = &variable{format: w.format, verb: verb}, "ascii"
	}
	if !slices.Contains(sampleForms, w.format) {
		return nil, n.at("format").errorf("format %v: want %s, or one for text such as %%.3E", t["format"], strings.Join(sampleForms, ", "))
	}
	return w, nil
}

// pointCount reads how many points there are.
func pointCount(text string) (int, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || f < 0 || f > maxPoints || f != math.Trunc(f) {
		return 0, fmt.Errorf("points %q: want a number from 0 to %d: %w", short(text), maxPoints, scpiErrors.outOfRange)
	}
	return int(f), nil
}

// samples computes the waveform.
func (w *waveform) samples(sc *scope) ([]byte, error) {
	text, err := w.points.expand(sc)
	if err != nil {
		return nil, err
	}
	n, err := pointCount(text)
	if err != nil {
		return nil, err
	}
	env := make(map[string]any, len(w.expr.uses))
	for _, name := range w.expr.uses {
		if v, ok := sc.lookup(name); ok {
			env[name] = v
		}
	}
	env["n"] = n
	var out []byte
	for i := range n {
		env["i"], env["x"] = i, float64(i)/float64(n)
		v, err := w.expr.runIn(env)
		if err != nil {
			return nil, err
		}
		if _, isText := v.(string); isText {
			return nil, fmt.Errorf("a point of the waveform is the text %q: %w", short(show(v)), scpiErrors.execution)
		}
		if i > 0 && w.format == "ascii" {
			out = append(out, ',')
		}
		if w.show != nil {
			out = append(out, w.show.show(v)...)
		} else {
			out = appendSample(out, w.format, number(v))
		}
	}
	return out, nil
}

// appendSample appends a number in one of the forms; what is beyond a form is
// its nearest end, as a converter has it.
func appendSample(dst []byte, form string, f float64) []byte {
	whole := func(lo, hi float64) int64 {
		if math.IsNaN(f) {
			return 0
		}
		return int64(math.Round(min(max(f, lo), hi)))
	}
	switch form {
	case "u8":
		return append(dst, byte(whole(0, math.MaxUint8)))
	case "i8":
		return append(dst, byte(whole(math.MinInt8, math.MaxInt8)))
	case "ascii":
		return append(dst, wire.Float(f).Text()...)
	}
	var order binary.AppendByteOrder = binary.BigEndian
	if strings.HasSuffix(form, "le") {
		order = binary.LittleEndian
	}
	switch form[:len(form)-2] {
	case "u16":
		return order.AppendUint16(dst, uint16(whole(0, math.MaxUint16)))
	case "i16":
		return order.AppendUint16(dst, uint16(whole(math.MinInt16, math.MaxInt16)))
	case "i32":
		return order.AppendUint32(dst, uint32(whole(math.MinInt32, math.MaxInt32)))
	case "f32":
		return order.AppendUint32(dst, math.Float32bits(float32(f)))
	}
	return order.AppendUint64(dst, math.Float64bits(f))
}
