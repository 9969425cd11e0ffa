package parley

// inbox is a queue of received messages, which own their bytes. A lost
// message has its place in it as an error.
type inbox struct {
	q     []received
	first int
	bytes int
}

// received is one message, or why it was lost.
type received struct {
	msg Message
	err error
}

func (b *inbox) len() int { return len(b.q) - b.first }

func (b *inbox) push(r received) {
	if b.first > 0 && len(b.q) == cap(b.q) {
		n := copy(b.q, b.q[b.first:])
		clear(b.q[n:])
		b.q, b.first = b.q[:n], 0
	}
	b.q = append(b.q, r)
	b.bytes += r.msg.Len()
}

func (b *inbox) pop() received {
	r := b.q[b.first]
	b.q[b.first] = received{}
	b.first++
	b.bytes -= r.msg.Len()
	if b.first == len(b.q) {
		b.q, b.first = b.q[:0], 0
	}
	return r
}

// full says that reading must stop until somebody has taken a message.
func (b *inbox) full(l Limits) bool {
	return b.len() >= l.MaxQueue || b.bytes >= l.MaxInput
}
