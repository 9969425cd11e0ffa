// Package bufpool lends byte buffers of power-of-two sizes, so that a
// connection holds memory only while bytes are waiting in it.
package bufpool

import (
	"math/bits"
	"sync"
	"unsafe"
)

const (
	minBits = 9  // 512 B
	maxBits = 27 // 128 MiB; larger buffers are left to the garbage collector

	// Buffers of more than 16 KiB begin so far behind what the allocator returns, which is
	// the beginning of a page. Where two buffers begin at nearly the same place of their
	// pages, as then all would, processors copy between them many times slower.
	bigBits = 15
	within  = 1 << 10
)

// The pools hold pointers to the first byte: a pointer fits an interface
// without an allocation, and the class gives the length back.
var pools [maxBits + 1]sync.Pool

// Get returns a buffer of length zero and a capacity of at least n bytes. Its
// content is undefined.
func Get(n int) []byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minBits)
	if class > maxBits {
		return make([]byte, 0, n)
	}
	if p, ok := pools[class].Get().(*byte); ok {
		return unsafe.Slice(p, 1<<class)[:0]
	}
	if class < bigBits {
		return make([]byte, 0, 1<<class)
	}
	return make([]byte, within+1<<class)[within:within]
}

// Size returns the capacity of the buffer that Get returns for n bytes.
func Size(n int) int {
	if class := max(bits.Len(uint(max(n, 1)-1)), minBits); class <= maxBits {
		return 1 << class
	}
	return n
}

// Put gives back a buffer that came from Get. The caller must hold no other
// reference to it. A buffer of any other origin is left to the collector.
func Put(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	if class < minBits || class > maxBits || cap(b) != 1<<class {
		return
	}
	pools[class].Put(unsafe.SliceData(b[:1]))
}

// Grow returns a buffer with b's content and room for n more bytes, and gives
// b back if it had to move.
func Grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	bigger := append(Get(len(b)+n), b...)
	Put(b)
	return bigger
}
