package reliability

import (
	"fmt"
	"sync"

	"github.com/parley-net/parley"
)

// A ledger knows what one end of a connection has sent, and holds what the
// other end receives against it.
type ledger struct {
	kind kind
	from string // who sends

	mu       sync.Mutex
	clock    int               // counts calls and returns of Send
	tasks    [][]*entry        // what each task has sent, in order
	next     []int             // by task, the first entry not yet received
	byKey    map[uint64]*entry // all but the empty ones
	empties  int               // received empty messages that belong to no task yet
	problems []string
	received int
	confirms int
}

// An entry is a message that has been given to Send, Confirm or SendStream.
type entry struct {
	task, n      int
	what         string
	empty        bool
	began, ended int // the clock; ended is 0 before the call has returned
	err          error
	confirmed    bool
	got          bool
}

func newLedger(k kind, from string, tasks int) *ledger {
	return &ledger{kind: k, from: from, tasks: make([][]*entry, tasks), next: make([]int, tasks), byKey: map[uint64]*entry{}}
}

func (l *ledger) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// tag returns what the next message of a task begins with. No other message
// of this ledger has it.
func (l *ledger) tag(task int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.tasks[task])
	return string([]byte{'!' + byte(task), digits[n/36%36], digits[n%36]})
}

// sending notes that a message is given to the connection.
func (l *ledger) sending(task int, m parley.Message, what string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	e := &entry{task: task, n: len(l.tasks[task]), what: fmt.Sprintf("%s %s's message %d of task %d, %v", what, l.from, len(l.tasks[task]), task, m), began: l.clock}
	e.empty = m.Len() == 0 && (m.Type() == parley.TypeBytes || m.Type() == parley.TypeText)
	l.tasks[task] = append(l.tasks[task], e)
	if !e.empty {
		key := l.kind.key(m)
		if l.byKey[key] != nil {
			l.problem("the test sends the same message twice: %s", e.what)
		}
		l.byKey[key] = e
	}
	return e
}

// sent notes that the call has returned.
func (l *ledger) sent(e *entry, confirm bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	e.ended, e.err = l.clock, err
	e.confirmed = confirm && err == nil
	if e.confirmed {
		l.confirms++
	}
}

// arrived checks a received message: it was sent, has not arrived before, and
// has overtaken nothing.
func (l *ledger) arrived(m parley.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received++
	if m.Len() == 0 && (m.Type() == parley.TypeBytes || m.Type() == parley.TypeText) {
		l.empties++
		return
	}
	e := l.byKey[l.kind.key(m)]
	switch {
	case e == nil:
		l.problem("received what %s has never sent: %v", l.from, m)
		return
	case e.got:
		l.problem("received twice: %s", e.what)
		return
	}
	e.got = true
	l.skip(e)
	for t := range l.tasks {
		if first := l.first(t); t != e.task && first != nil && first.ended != 0 && first.ended < e.began && first.err == nil {
			l.problem("reordered: %s\n  came before %s", e.what, first.what)
		}
	}
}

// skip checks what e's task has sent before e.
func (l *ledger) skip(e *entry) {
	for ; l.next[e.task] < e.n; l.next[e.task]++ {
		switch before := l.tasks[e.task][l.next[e.task]]; {
		case before.err != nil: // it may have come: see verdict
		case before.empty && l.empties > 0:
			l.empties--
			before.got = true
		default:
			l.problem("lost or overtaken: %s\n  did not come before %s", before.what, e.what)
		}
	}
	if l.next[e.task] > e.n {
		l.problem("came too late: %s", e.what)
		return
	}
	l.next[e.task]++
}

// first returns what a task has sent first of what has not arrived, not
// counting empty messages.
func (l *ledger) first(task int) *entry {
	for _, e := range l.tasks[task][l.next[task]:] {
		if !e.empty {
			return e
		}
	}
	return nil
}

// outstanding returns how many messages have not arrived that must: those whose
// Send has succeeded.
func (l *ledger) outstanding() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	empties := l.empties
	for t := range l.tasks {
		for _, e := range l.tasks[t][l.next[t]:] {
			switch {
			case e.got || e.err != nil:
			case e.empty && empties > 0:
				empties--
			default:
				n++
			}
		}
	}
	return n
}

// verdict checks what can only be known in the end. all: everything sent must
// have arrived. Otherwise the connection was ended in the middle, and only what
// was confirmed must have, except for those the receiver itself has dropped.
func (l *ledger) verdict(all bool, dropped int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Empty messages look alike: those that must have come did, then the others.
	for _, came := range []func(*entry) bool{
		func(e *entry) bool { return e.confirmed },
		func(e *entry) bool { return e.err == nil },
		func(*entry) bool { return true },
	} {
		for _, task := range l.tasks {
			for _, e := range task {
				if e.empty && !e.got && l.empties > 0 && came(e) {
					l.empties--
					e.got = true
				}
			}
		}
	}
	ahead := 0
	for t := range l.tasks {
		for _, e := range l.tasks[t][l.next[t]:] {
			switch {
			case e.got:
			case all && e.err == nil:
				l.problem("lost: %s", e.what)
			case e.confirmed && dropped > 0:
				dropped--
			case e.confirmed && l.kind.ahead && ahead == 0:
				ahead++ // its size had come, the rest not
			case e.confirmed:
				l.problem("confirmed, but never received: %s", e.what)
			}
		}
	}
	if l.empties > 0 {
		l.problem("%d empty messages were never sent by %s", l.empties, l.from)
	}
	return l.problems
}
