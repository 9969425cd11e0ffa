package parley

import "github.com/parley-net/parley/internal/bufpool"

const readSize = 64 << 10 // how much one read may bring

// input holds the bytes that have arrived and are not yet consumed: b[r:]. It
// has a buffer only while there are any.
type input struct {
	b    []byte // from bufpool, or nil
	r    int
	kind inputKind
}

type inputKind uint8

const (
	inputPooled inputKind = iota
	inputLent             // b is a loop's own buffer
	inputPlaced           // b lies in the message that is being assembled; no message ends in it
)

// bytes returns what is not yet consumed.
func (in *input) bytes() []byte { return in.b[in.r:] }

// len returns how many bytes are not yet consumed.
func (in *input) len() int { return len(in.b) - in.r }

// consume takes n bytes off.
func (in *input) consume(n int) { in.r += n }

// room returns free space to read into, making it if necessary. Slices of
// bytes() from before are void.
func (in *input) room() []byte {
	switch rest := in.bytes(); {
	case in.b == nil:
		in.b = bufpool.Get(readSize)
	case cap(in.b)-len(in.b) >= cap(in.b)/2 && cap(in.b) >= readSize:
	case len(rest) <= cap(in.b)/2 && cap(in.b) >= readSize:
		in.b = append(in.b[:0], rest...)
		in.r = 0
	default:
		bigger := append(bufpool.Get(max(readSize, 2*len(rest))), rest...)
		in.release()
		in.b = bigger
	}
	return in.b[len(in.b):cap(in.b)]
}

// added says that n bytes have been read into the space room returned.
func (in *input) added(n int) { in.b = in.b[:len(in.b)+n] }

// shrink keeps no more memory than the unconsumed bytes need.
func (in *input) shrink() {
	switch n := in.len(); {
	case in.b == nil:
	case n == 0:
		in.release()
	case cap(in.b) > 4*n && cap(in.b) > 512:
		moved := in.fork()
		in.release()
		*in = moved
	}
}

// kept returns how much memory the unconsumed bytes hold while nothing is read: see
// shrink.
func (in *input) kept() int {
	n := in.len()
	switch {
	case in.kind == inputPlaced: // they are part of something else
		return 0
	case n > 0 && in.kind == inputPooled && cap(in.b) <= max(4*n, 512):
		return cap(in.b)
	}
	return n
}

// fork returns an input with a copy of the unconsumed bytes; the buffer stays
// with in.
func (in *input) fork() input {
	if in.len() == 0 {
		return input{}
	}
	return input{b: append(bufpool.Get(in.len()), in.bytes()...)}
}

// release gives the buffer back.
func (in *input) release() {
	if in.kind == inputPooled {
		bufpool.Put(in.b)
	}
	*in = input{}
}
