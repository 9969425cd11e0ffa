package serpy2

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/parley-net/parley/wire"
)

// Pixel is a type a [Frame] may have. Their numpy names are the same: float32, uint16
// and uint8.
type Pixel interface {
	float32 | uint16 | uint8 | float64 | int16
}

// Frame is a picture, for instance of a camera or another instrument. It
// travels as one bytes message, as numpy's tobytes gives it: row by row,
// little-endian. The shape does not travel; both peers have to know it.
type Frame[T Pixel] struct {
	Width, Height int // in pixels
	Pix           []T // Width·Height of them; x, y is Pix[y*Width+x]
}

// Message returns the frame as a message that shares nothing with it. It fails
// if Pix does not have the length that Width and Height ask for, and with
// [wire.ErrTooLarge] if the frame is larger than a message can be.
func (f Frame[T]) Message() (wire.Message, error) {
	size, err := frameSize[T](f.Width, f.Height)
	if err != nil {
		return wire.Message{}, err
	}
	if have := int64(len(f.Pix)); have*pixelSize[T]() != size {
		return wire.Message{}, fmt.Errorf("parley: a serpy2 frame of %d × %d has %d pixels, not %d", f.Width, f.Height, size/pixelSize[T](), have)
	}
	if !cpu.IsBigEndian {
		return wire.Bytes(slices.Clone(memory(f.Pix))), nil
	}
	b, err := binary.Append(make([]byte, 0, size), binary.LittleEndian, f.Pix)
	return wire.Bytes(b), err
}

// ParseFrame reads a frame of the given shape out of a bytes message; what it
// returns shares nothing with m. It fails if m has another type or its length
// does not fit the shape.
//
//	a = numpy.frombuffer(data, numpy.float32).reshape(height, width)
//
// is its counterpart in Python.
func ParseFrame[T Pixel](m wire.Message, width, height int) (Frame[T], error) {
	size, err := frameSize[T](width, height)
	if err != nil {
		return Frame[T]{}, err
	}
	var pixel T
	switch {
	case m.Type() != wire.TypeBytes:
		return Frame[T]{}, fmt.Errorf("parley: a serpy2 frame travels as bytes, this message is %v", m.Type())
	case int64(m.Len()) != size:
		return Frame[T]{}, fmt.Errorf("parley: a serpy2 frame of %d × %d %T has %d bytes, this message has %d", width, height, pixel, size, m.Len())
	}
	f := Frame[T]{Width: width, Height: height, Pix: make([]T, width*height)}
	if !cpu.IsBigEndian {
		copy(memory(f.Pix), m.Bytes())
		return f, nil
	}
	_, err = binary.Decode(m.Bytes(), binary.LittleEndian, f.Pix)
	return f, err
}

// memory returns the bytes that hold pix.
func memory[T Pixel](pix []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(pix))), len(pix)*int(pixelSize[T]()))
}

// frameSize returns the payload of a frame in bytes.
func frameSize[T Pixel](width, height int) (int64, error) {
	w, h := int64(width), int64(height)
	if w < 0 || h < 0 {
		return 0, fmt.Errorf("parley: a serpy2 frame can't be %d × %d", width, height)
	}
	most := min(math.MaxUint32, int64(math.MaxInt)) / pixelSize[T]()
	if w > 0 && h > most/w {
		return 0, fmt.Errorf("%w: a serpy2 frame of %d × %d; send it in parts", wire.ErrTooLarge, width, height)
	}
	return w * h * pixelSize[T](), nil
}

func pixelSize[T Pixel]() int64 {
	var pixel T
	return int64(unsafe.Sizeof(pixel))
}
