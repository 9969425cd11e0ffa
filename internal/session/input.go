package session

import "github.com/parley-net/parley/internal/bufpool"

const (
	ReadSize = 64 << 10 // how much one read may bring
	// roomSize is how large a buffer to read into is: so a message of ReadSize comes with
	// what stands before and behind it.
	roomSize = 2 * ReadSize
)

// Input holds the bytes that have arrived and are not yet consumed: b[r:]. It
// has a buffer only while there are any.
type Input struct {
	b    []byte // from bufpool, or nil
	r    int
	kind InputKind
}

// InputKind says whose the buffer of an Input is.
type InputKind uint8

const (
	InputPooled InputKind = iota
	InputLent             // b is a loop's own buffer
	InputPlaced           // b lies in the message that is being assembled; no message ends in it
)

// Lent returns an input of b, which belongs to somebody else.
func Lent(b []byte) Input { return Input{b: b, kind: InputLent} }

// Placed returns an input of b, which lies where it belongs.
func Placed(b []byte) *Input { return &Input{b: b, kind: InputPlaced} }

// Bytes returns what is not yet consumed.
func (in *Input) Bytes() []byte { return in.b[in.r:] }

// Len returns how many bytes are not yet consumed.
func (in *Input) Len() int { return len(in.b) - in.r }

// Consume takes n bytes off.
func (in *Input) Consume(n int) { in.r += n }

// Holds reports whether it has a buffer.
func (in *Input) Holds() bool { return in.b != nil }

// Space returns free space to read into, making it if necessary. Slices of
// bytes() from before are void.
func (in *Input) Space() []byte {
	switch rest := in.Bytes(); {
	case in.b == nil:
		in.b = bufpool.Get(roomSize)
	case cap(in.b)-len(in.b) >= cap(in.b)/2 && cap(in.b) >= ReadSize:
	case len(rest) <= cap(in.b)/2 && cap(in.b) >= ReadSize:
		in.b = append(in.b[:0], rest...)
		in.r = 0
	default:
		bigger := append(bufpool.Get(max(roomSize, 2*len(rest))), rest...)
		in.Release()
		in.b = bigger
	}
	return in.b[len(in.b):cap(in.b)]
}

// Added says that n bytes have been read into the space room returned.
func (in *Input) Added(n int) { in.b = in.b[:len(in.b)+n] }

// Shrink keeps no more memory than the unconsumed bytes need.
func (in *Input) Shrink() {
	switch n := in.Len(); {
	case in.b == nil:
	case n == 0:
		in.Release()
	case cap(in.b) > 4*n && cap(in.b) > 512:
		moved := in.Fork()
		in.Release()
		*in = moved
	}
}

// Kept returns how much memory the unconsumed bytes hold while nothing is read, see
// Shrink, or many of them when more is read: large buffers must not all grow at once.
func (in *Input) Kept() int {
	n := in.Len()
	switch {
	case n >= 8*ReadSize && n > cap(in.b)/2 && in.kind == InputPooled:
		return bufpool.Size(2 * n)
	case in.kind == InputPlaced: // they are part of something else
		return 0
	case n > 0 && in.kind == InputPooled && cap(in.b) <= max(4*n, 512):
		return cap(in.b)
	}
	return n
}

// Fork returns an input with a copy of the unconsumed bytes; the buffer stays
// with in.
func (in *Input) Fork() Input {
	if in.Len() == 0 {
		return Input{}
	}
	return Input{b: append(bufpool.Get(in.Len()), in.Bytes()...)}
}

// Release gives the buffer back.
func (in *Input) Release() {
	if in.kind == InputPooled {
		bufpool.Put(in.b)
	}
	*in = Input{}
}

// Kind says whose its buffer is.
func (i *Input) Kind() InputKind { return i.kind }
