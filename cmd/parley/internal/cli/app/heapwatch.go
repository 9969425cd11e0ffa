package app

import "runtime/metrics"

const (
	// heapWorth is how much more than at the beginning must be held for memory to be given
	// back where the budget tells nothing: handshakes, pages, buffers of connections.
	heapWorth = 16 << 20
	// heapLooks is how many looks there are between two such times; twice and four times as
	// many where it was of little use, as what is held is in use. Whether it is, only a
	// collection can tell.
	heapLooks, maxHeapLooks = 5, 20
)

// heapWatch decides when what the process holds is worth looking through.
type heapWatch struct {
	least uint64 // that was held
	pause int    // looks between two times
	left  int    // looks until the next one
}

func newHeapWatch(held uint64) *heapWatch {
	return &heapWatch{least: held, pause: heapLooks, left: heapLooks}
}

// due reports at a look whether to give memory back.
func (w *heapWatch) due(held uint64) bool {
	w.least = min(w.least, held)
	if w.left > 0 {
		w.left--
	}
	return w.left == 0 && held > w.least+heapWorth
}

// gave notes what was held before and is held after memory was given back.
func (w *heapWatch) gave(before, after uint64) {
	if after > before/4*3 {
		w.pause = min(2*w.pause, maxHeapLooks)
	} else {
		w.pause = heapLooks
	}
	w.left = w.pause
}

// held is how much memory the process has from the system.
func held() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
