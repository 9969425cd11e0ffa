package web

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/recording"
)

// imageForm says which images a subscription's messages are. The page gets them in 8 bits,
// scaled here, and may ask for the number behind a pixel.
type imageForm struct {
	Type   string   `json:"type"`   // float32, uint16 or uint8, little-endian, row by row
	Width  int      `json:"width"`  // 0 with a height of 0: as wide as high
	Height int      `json:"height"` // 0: what the message's length says
	Low    *float64 `json:"low"`    // black; the image's least number if left out
	High   *float64 `json:"high"`   // white; its greatest

	mu   sync.Mutex
	last frame
}

// frame is an image as it came.
type frame struct {
	form          string
	data          []byte
	width, height int
}

// pixelBytes returns how many bytes a number has, 0 if the type is not known.
func pixelBytes(form string) int {
	switch form {
	case "float32":
		return 4
	case "uint16":
		return 2
	case "uint8":
		return 1
	}
	return 0
}

func (f *imageForm) check() error {
	if f == nil {
		return nil
	}
	if pixelBytes(f.Type) == 0 {
		return fmt.Errorf(`"type" of an image: %.20q; use float32, uint16 or uint8`, f.Type)
	}
	if f.Width < 0 || f.Height < 0 || f.Width > 1<<16 || f.Height > 1<<16 {
		return errors.New("an image is 1 to 65536 pixels wide and high")
	}
	return nil
}

// frameOf returns the image that a message is.
func (f *imageForm) frameOf(m parley.Message) (frame, error) {
	b := m.Bytes()
	if m.Type() != parley.TypeBytes {
		b = nil
	}
	w, h, n := f.Width, f.Height, len(b)/pixelBytes(f.Type)
	switch {
	case w == 0 && h == 0:
		w = int(math.Sqrt(float64(n)))
		h = w
	case w == 0:
		w = n / h
	case h == 0:
		h = n / w
	}
	if w*h == 0 || w*h*pixelBytes(f.Type) != len(b) {
		return frame{}, fmt.Errorf("a message of %d bytes is no image of %d × %d numbers of %s", m.Len(), f.Width, f.Height, f.Type)
	}
	return frame{f.Type, b, w, h}, nil
}

// at returns a pixel's number.
func (f *frame) at(i int) float64 {
	switch f.form {
	case "float32":
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(f.data[4*i:])))
	case "uint16":
		return float64(binary.LittleEndian.Uint16(f.data[2*i:]))
	}
	return float64(f.data[i])
}

// bounds returns the least and the greatest finite number.
func (f *frame) bounds() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i := range f.width * f.height {
		if v := f.at(i); v-v == 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}

// appendScaled appends a part of the image in 8 bits: low is 0, high 255, what is no number 0.
func (f *frame) appendScaled(dst []byte, from, to int, low, high float64) []byte {
	scale := 0.0
	if high > low {
		scale = 255 / (high - low)
	}
	if f.form == "float32" { // what cameras send, so without a choice for each pixel
		for i := from; i < to; i++ {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(f.data[4*i:])))
			dst = append(dst, eight((v-low)*scale))
		}
		return dst
	}
	for i := from; i < to; i++ {
		dst = append(dst, eight((f.at(i)-low)*scale))
	}
	return dst
}

func eight(v float64) byte {
	switch {
	case v >= 255:
		return 255
	case v > 0:
		return byte(v + 0.5)
	}
	return 0
}

// event returns the binary frame of an image that m is, and keeps it for those who ask
// for a pixel.
func (f *imageForm) event(id uint32, seq uint64, m Message) (outgoing, error) {
	fr, err := f.frameOf(m.Message)
	if err != nil {
		return outgoing{}, err
	}
	f.mu.Lock()
	f.last = fr
	f.mu.Unlock()
	low, high := 0.0, 0.0
	if f.Low == nil || f.High == nil {
		low, high = fr.bounds()
	}
	if f.Low != nil {
		low = *f.Low
	}
	if f.High != nil {
		high = *f.High
	}
	r := response{Dir: m.Dir, From: m.From, Proto: m.Proto, Width: fr.width, Height: fr.height, Low: &low, High: &high, Len: fr.width * fr.height}
	return outgoing{binary: true, before: appendBinary(make([]byte, 0, binaryHead+256), BinaryImage, id, seq, m.At, r.encode()),
		value: r.Len, piece: func(dst []byte, from, to int) []byte { return fr.appendScaled(dst, from, to, low, high) }}, nil
}

// pixel answers what number is behind a pixel of the last image.
func (s *socket) pixel(req request) error {
	if req.ID == nil || len(req.Ref) == 0 {
		return errors.New(`"id" of a subscription and "ref" are needed`)
	}
	s.mu.Lock()
	sub := s.subs[*req.ID]
	s.mu.Unlock()
	if sub == nil || sub.image == nil {
		return errors.New(`"id" names no subscription with "image"`)
	}
	sub.image.mu.Lock()
	fr := sub.image.last
	sub.image.mu.Unlock()
	if req.X < 0 || req.Y < 0 || req.X >= fr.width || req.Y >= fr.height {
		return fmt.Errorf("pixel %d, %d: the last image is %d × %d", req.X, req.Y, fr.width, fr.height)
	}
	v := parley.Float(fr.at(req.Y*fr.width + req.X))
	if fr.form != "float32" {
		v = parley.Int(int64(fr.at(req.Y*fr.width + req.X)))
	}
	at := time.Now().UTC()
	r := response{Ref: req.Ref, TS: &at, Value: recording.Recorded(v)}
	if v.Type() == parley.TypeFloat { // as short as a float32 is
		text := strconv.FormatFloat(fr.at(req.Y*fr.width+req.X), 'g', -1, 32)
		if fr.at(req.Y*fr.width+req.X)-fr.at(req.Y*fr.width+req.X) == 0 {
			r.Text = &text
		}
	}
	return s.write(r)
}
