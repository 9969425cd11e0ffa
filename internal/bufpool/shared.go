package bufpool

import "sync/atomic"

// Shared is bytes that several hold together, and that never change.
type Shared struct {
	b     []byte
	count func(n int64)
	users atomic.Int32
}

// Share returns b as bytes that several may hold. count, if it is not nil, is called
// with the capacity when the first one takes them, and with its negative when the last
// one drops them.
func Share(b []byte, count func(n int64)) *Shared { return &Shared{b: b, count: count} }

// Bytes returns the bytes, not to be changed.
func (s *Shared) Bytes() []byte { return s.b }

// Size returns how much memory they take.
func (s *Shared) Size() int64 { return int64(cap(s.b)) }

// Take notes one more holder.
func (s *Shared) Take() {
	if s.users.Add(1) == 1 && s.count != nil {
		s.count(s.Size())
	}
}

// Drop notes one holder less.
func (s *Shared) Drop() {
	if s.users.Add(-1) == 0 && s.count != nil {
		s.count(-s.Size())
	}
}
