package tap

import (
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/wire"
)

// tapMemory bounds what the decoding of all connections holds together: what waits to
// be watched has a quarter of --max-memory, unfinished messages have the rest.
type tapMemory struct {
	budget *parley.Budget
	held   int64 // by unfinished messages
	told   int64 // of held, to the budget
	by     map[*tapped]int64
}

// behind is how much may wait to be watched.
func (m *tapMemory) behind() int { return int(min(tapBehind, m.budget.Limit()/4)) }

// most is how much unfinished messages may hold.
func (m *tapMemory) most() int64 { return m.budget.Limit() / 4 * 3 }

// weigh notes what t's decoder holds, and returns who has to be decoded no more so that
// the others can be: whose decoder holds most.
func (m *tapMemory) weigh(t *tapped) (victims []*tapped) {
	m.note(t, t.decoder.Held())
	for m.held > m.most() {
		var victim *tapped
		for other, n := range m.by {
			if victim == nil || n > m.by[victim] {
				victim = other
			}
		}
		victims = append(victims, victim)
		m.note(victim, 0)
	}
	m.settle()
	return victims
}

// forget notes that t holds nothing any more.
func (m *tapMemory) forget(t *tapped) {
	m.note(t, 0)
	m.settle()
}

// note notes what t holds.
func (m *tapMemory) note(t *tapped, n int64) {
	m.held += n - m.by[t]
	if n > 0 {
		m.by[t] = n
	} else {
		delete(m.by, t)
	}
}

// settle tells the budget, from which memory.watch knows when to give memory back.
func (m *tapMemory) settle() {
	m.tell(m.held - m.told)
	m.told = m.held
}

// tell changes what the budget knows of: there is room, as all of it is tap's.
func (m *tapMemory) tell(more int64) {
	if more > 0 {
		m.budget.Reserve(more)
	} else if more < 0 {
		m.budget.Release(-more)
	}
}

// tooMuch says that a connection is decoded no more.
func (m *tapMemory) tooMuch() error {
	return fmt.Errorf("the unfinished messages of all connections hold more than %d MiB, this one most of them; see --max-memory", m.most()>>20)
}

// weigh has connections decoded no more that hold too much. The traffic goes on.
func (w *tapWatch) weigh(t *tapped, from wire.Role) {
	for _, victim := range w.memory.weigh(t) {
		victim.decoder.Stop(from, w.memory.tooMuch())
	}
}
