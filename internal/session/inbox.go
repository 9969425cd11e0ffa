package session

import (
	"slices"

	"github.com/parley-net/parley/wire"
)

// Inbox is a queue of received messages, which own their bytes. A lost
// message has its place in it as an error.
type Inbox struct {
	q     []Received
	first int
	bytes int
	held  int64
}

// Received is one message, or why it was lost.
type Received struct {
	Msg  wire.Message
	Err  error
	Kind ReceivedKind
	Len  int   // what it counts for in Limits.MaxInput
	Held int64 // the memory it holds
}

// ReceivedKind says whether anybody should get it.
type ReceivedKind uint8

const (
	ReceivedInTurn ReceivedKind = iota
	ReceivedLate                // in the place of a Call that has given up
)

// Len returns how many messages wait.
func (b *Inbox) Len() int { return len(b.q) - b.first }

// Missed reports whether there is something in it that should not be lost. Late
// answers are for whoever comes for them, and hold up no end.
func (b *Inbox) Missed() bool {
	for _, r := range b.q[b.first:] {
		if r.Kind != ReceivedLate {
			return true
		}
	}
	return false
}

// Push puts r behind the others.
func (b *Inbox) Push(r Received) {
	r.Len = max(r.Len, r.Msg.Len())
	r.Held = max(r.Held, int64(r.Len))
	if b.first > 0 && len(b.q) == cap(b.q) {
		n := copy(b.q, b.q[b.first:])
		clear(b.q[n:])
		b.q, b.first = b.q[:n], 0
	}
	b.q = append(b.q, r)
	b.bytes += r.Len
	b.held += r.Held
}

// Pop takes the first message, of an inbox that is not empty.
func (b *Inbox) Pop() Received {
	r := b.q[b.first]
	b.q[b.first] = Received{}
	b.first++
	b.bytes -= r.Len
	b.held -= r.Held
	if b.first == len(b.q) {
		b.q, b.first = b.q[:0], 0
	}
	return r
}

// Unpop puts back what pop has just returned.
func (b *Inbox) Unpop(r Received) {
	b.q = slices.Insert(b.q, b.first, r)
	b.bytes += r.Len
	b.held += r.Held
}

// inboxSlack is how many times its limits the inbox may hold while somebody
// waits for an answer of the peer: the answer may stand behind messages that
// were under way, and if it were not read, nobody would ever go on.
const InboxSlack = 4

// Full says that reading must stop until somebody has taken a message: it holds so many
// messages, or bytes.
func (b *Inbox) Full(messages, bytes int) bool {
	return b.Len() >= messages || b.bytes >= bytes
}

// Space returns memory to be used again for a queue that is empty, or nil.
func (b *Inbox) Space() []Received {
	if cap(b.q) > 16 {
		return nil
	}
	return b.q[:0]
}

// Reuse begins anew with what space has returned.
func (b *Inbox) Reuse(space []Received) { b.q = space }

// Bytes returns how many bytes of messages wait.
func (i *Inbox) Bytes() int { return i.bytes }

// Held returns how much memory they hold.
func (i *Inbox) Held() int64 { return i.held }
