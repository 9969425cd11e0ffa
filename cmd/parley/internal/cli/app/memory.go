package app

import (
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/program"
)

// memory is what all connections of the process may hold together, and how the
// process itself keeps near that.
type memory struct {
	Most Size // --max-memory

	once   sync.Once
	shared *parley.Budget

	released atomic.Bool // memory that is not the budget's
}

const (
	defaultMemory = 256 << 20
	// memoryBesides is what the process may need besides: code, stacks, garbage.
	memoryBesides = 160 << 20
	// memoryWorth is the least peak behind which memory is given back at once.
	memoryWorth = 4 << 20
	MemoryLooks = time.Second
	memoryAgain = 5
)

// Budget returns the budget of all connections. Near its limit the garbage
// collector works harder, unless GOMEMLIMIT says otherwise.
func (m *memory) Budget() *parley.Budget {
	m.once.Do(func() {
		most := int64(m.Most)
		if most == 0 {
			most = defaultMemory
		}
		m.shared = parley.NewBudget(most)
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(most + memoryBesides)
		}
	})
	return m.shared
}

// LongLines returns what bounds the long lines of programs in one direction, beside
// the budget, in which their messages are.
func (m *memory) LongLines() *program.LongLines {
	return program.NewLongLines(m.Budget().Limit()/4, func() { m.released.Store(true) })
}

// Watch gives memory back to the system when the budget has fallen below a quarter
// of its highest, and when much is held that no budget counts, until the function that
// it returns is called.
func (m *memory) Watch() (stop func()) {
	b, quit := m.Budget(), make(chan struct{})
	heap := newHeapWatch(held())
	go func() {
		t := time.NewTicker(MemoryLooks)
		defer t.Stop()
		again := 0 // looks until memory is given back once more, as what has just ended lets go of it late
		for peak := int64(0); ; {
			select {
			case <-t.C:
			case <-quit:
				return
			}
			used := b.Used()
			if m.released.Swap(false) {
				again = memoryAgain
			}
			if peak = max(peak, b.High()); peak >= memoryWorth && used < peak/4 {
				peak, again = used, memoryAgain
				GiveBack()
			} else if again > 0 {
				if again--; again == 0 {
					GiveBack()
				}
			} else if now := held(); heap.due(now) {
				GiveBack()
				heap.gave(now, held())
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit) })
}

// GiveBack gives back what is free. Pools of buffers survive one collection.
func GiveBack() {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
}
