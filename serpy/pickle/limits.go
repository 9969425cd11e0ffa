package pickle

import (
	"errors"
	"math"
	"math/bits"
)

// ErrLimit is wrapped by the errors of Decode that say that a pickle exceeds
// a limit.
var ErrLimit = errors.New("limit exceeded")

// Limits bounds what Decode may spend on one pickle. The zero value has the
// defaults.
//
// Python's opcodes are terse: one byte stands for None, for an empty list, for
// another reference to a value. So an honest pickle becomes up to 40 times its
// size in memory, in Go as in Python, when it holds nothing but None or empty
// containers: 8 times with small integers, 7 with short strings, 3 with
// floats, once with long text and bytes. A hostile one could make any factor
// of it, because what it makes once it can have copied again and again. The
// limit stops that. Within the limit nothing is allocated because a length in
// the pickle says so, and time is proportional to the length of the pickle
// plus the memory used.
type Limits struct {
	// MaxMemory is how many bytes the value and Decode's own tables may occupy
	// together, not counting garbage. Zero means, for a pickle of n bytes,
	//
	//	48·n + 64 KiB    as long as that is at most 32 MiB
	//	32 MiB           up to 8 MiB
	//	4·n              beyond
	//
	// which is enough for all that Python writes up to 0.7 MB, for a list of a
	// million small integers or for a dict of 200,000 short strings.
	//
	// With MaxFactor too, the smaller of the two counts.
	MaxMemory int
	// MaxFactor is how many bytes each byte of a pickle may occupy, besides
	// 64 KiB for the whole; it replaces the default of MaxMemory. 4 is enough
	// for text, byte strings, floats and large integers, but not for many
	// None, integers below 2³², short strings or empty containers. Zero or less
	// means that there is no such limit.
	MaxFactor int
	// MaxIntDigits is how many decimal digits an integer written as text may
	// have (protocols 0 and 1). Zero means 4300, as in Python: reading one
	// takes time in proportion to the square of its length. MaxMemory alone
	// bounds integers written in binary.
	MaxIntDigits int
}

const (
	defaultFactor    = 48 // more than Python's own pickles need
	defaultExtra     = 64 << 10
	defaultEnough    = 32 << 20
	defaultMaxDigits = 4300
)

func (l Limits) orDefaults(size int) Limits {
	switch {
	case l.MaxFactor > 0:
		most := math.MaxInt
		if size <= (math.MaxInt-defaultExtra)/l.MaxFactor {
			most = l.MaxFactor*size + defaultExtra
		}
		if l.MaxMemory == 0 || most < l.MaxMemory {
			l.MaxMemory = most
		}
	case l.MaxMemory == 0:
		small := defaultFactor*min(size, defaultEnough/defaultFactor) + defaultExtra // no overflow on 32 bits
		l.MaxMemory = max(4*size, min(small, defaultEnough))
	}
	if l.MaxIntDigits == 0 {
		l.MaxIntDigits = defaultMaxDigits
	}
	return l
}

// spend accounts for an allocation of n bytes, before it is made. It reports
// whether there is room for it.
func (d *decoder) spend(n int) bool { return d.charge(allocated(n)) }

func (d *decoder) charge(n int) bool {
	if n > d.limits.MaxMemory-d.spent {
		d.failWith(ErrLimit, "the value needs more memory than Limits.MaxMemory or MaxFactor allows: raise it if the sender is trusted")
		return false
	}
	d.spent += n
	return true
}

// allocated returns how many bytes Go's allocator hands out for n, or
// somewhat more. Its size classes are 8 bytes apart at first, then 16, then
// at most a fifth; large blocks are whole pages.
func allocated(n int) int {
	switch {
	case n <= 32:
		return (n + 7) &^ 7
	case n <= 256:
		return (n + 15) &^ 15
	case n <= 32<<10:
		return n + n/5
	}
	return (n + 8191) &^ 8191
}

// roomFor returns s with room for n more elements of size bytes each, growing
// it in proportion to its length; or it fails. What s grows out of is garbage.
func roomFor[T any](d *decoder, s []T, n, size int) []T {
	need := len(s) + n
	if need <= cap(s) {
		return s
	}
	c := cap(s)
	c = max(need, c+min(c, 256+c/2))
	if !d.charge(allocated(c*size) - allocated(cap(s)*size)) {
		return s
	}
	return append(make([]T, 0, c), s...)
}

const wordSize = bits.UintSize / 8

// Sizes of what the decoder allocates, in bytes.
const (
	interfaceSize = 2 * wordSize
	stringSize    = 2 * wordSize
	sliceSize     = 3 * wordSize
	pairSize      = 2 * interfaceSize
	bigSize       = 4 * wordSize
	globalSize    = 2 * stringSize
	dictSize      = 4 * wordSize
	callSize      = 15 * wordSize
)
