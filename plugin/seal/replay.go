package seal

import (
	"bytes"
	"cmp"
	"slices"
)

// maxSeen bounds how many first messages are remembered: 24 bytes each.
const maxSeen = 1 << 16

// first identifies the first message of a direction.
type first struct {
	time int64 // nanoseconds since 1970
	salt [saltSize]byte
}

func (a first) compare(b first) int {
	return cmp.Or(cmp.Compare(a.time, b.time), bytes.Compare(a.salt[:], b.salt[:]))
}

// memory knows the first messages that were accepted.
//
// What is too old for the window is forgotten; when there are too many, the
// oldest is forgotten early. In both cases nothing as old as that is accepted
// from then on. So no replay gets through when the clock is set back, and a
// flood of connections shrinks the window instead of filling the memory.
type memory struct {
	seen  []first // in order
	floor int64   // no first message up to this time is accepted
}

// accept remembers f, or says why it is not acceptable. Times before oldest
// are outside the window.
func (m *memory) accept(f first, oldest int64) error {
	for len(m.seen) > 0 && (m.seen[0].time < oldest || len(m.seen) >= maxSeen) {
		m.floor = m.seen[0].time
		m.seen = m.seen[1:]
	}
	i, found := slices.BinarySearchFunc(m.seen, f, first.compare)
	switch {
	case found:
		return ErrReplayed
	case f.time <= m.floor:
		return ErrClock
	}
	m.seen = slices.Insert(m.seen, i, f)
	return nil
}
