package app

import "testing"

// Memory is given back when much more is held than at the beginning, also when that has been
// in use for a while; less and less often as long as it is.
func TestHeapWatch(t *testing.T) {
	const mib = 1 << 20
	w := newHeapWatch(20 * mib)
	for i, step := range []struct {
		held, after uint64
		looks       int // until it is given back; 0: never
	}{
		{30 * mib, 30 * mib, 0},               // hardly more
		{300 * mib, 30 * mib, 1},              // a flood has gone
		{300 * mib, 30 * mib, heapLooks},      // another one
		{300 * mib, 290 * mib, heapLooks},     // it is in use
		{300 * mib, 290 * mib, 2 * heapLooks}, // and still is
		{300 * mib, 290 * mib, maxHeapLooks},  //
		{300 * mib, 30 * mib, maxHeapLooks},   // it has gone, and nothing tells
		{30 * mib, 30 * mib, 0},               // hardly more
		{100 * mib, 30 * mib, 1},              //
	} {
		looks := 0
		for n := 1; n < 1000 && looks == 0; n++ {
			if w.due(step.held) {
				w.gave(step.held, step.after)
				looks = n
			}
		}
		if looks != step.looks {
			t.Errorf("step %d: given back after %d looks, want %d", i, looks, step.looks)
		}
	}
}
