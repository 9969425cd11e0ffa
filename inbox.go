package parley

import "slices"

// inbox is a queue of received messages, which own their bytes. A lost
// message has its place in it as an error.
type inbox struct {
	q     []received
	first int
	bytes int
	held  int64
}

// received is one message, or why it was lost.
type received struct {
	msg  Message
	err  error
	len  int   // what it counts for in Limits.MaxInput
	held int64 // the memory it holds
}

func (b *inbox) len() int { return len(b.q) - b.first }

// missed reports whether there is something in it that should not be lost. Late
// answers are for whoever comes for them, and hold up no end.
func (b *inbox) missed() bool {
	for _, r := range b.q[b.first:] {
		if _, late := r.err.(*LateAnswerError); !late {
			return true
		}
	}
	return false
}

func (b *inbox) push(r received) {
	r.len = max(r.len, r.msg.Len())
	r.held = max(r.held, int64(r.len))
	if b.first > 0 && len(b.q) == cap(b.q) {
		n := copy(b.q, b.q[b.first:])
		clear(b.q[n:])
		b.q, b.first = b.q[:n], 0
	}
	b.q = append(b.q, r)
	b.bytes += r.len
	b.held += r.held
}

func (b *inbox) pop() received {
	r := b.q[b.first]
	b.q[b.first] = received{}
	b.first++
	b.bytes -= r.len
	b.held -= r.held
	if b.first == len(b.q) {
		b.q, b.first = b.q[:0], 0
	}
	return r
}

// unpop puts back what pop has just returned.
func (b *inbox) unpop(r received) {
	b.q = slices.Insert(b.q, b.first, r)
	b.bytes += r.len
	b.held += r.held
}

// inboxSlack is how many times its limits the inbox may hold while somebody
// waits for an answer of the peer: the answer may stand behind messages that
// were under way, and if it were not read, nobody would ever go on.
const inboxSlack = 4

// full says that reading must stop until somebody has taken a message.
func (b *inbox) full(l Limits, slack int) bool {
	return b.len() >= slack*l.MaxQueue || b.bytes >= slack*l.MaxInput
}
