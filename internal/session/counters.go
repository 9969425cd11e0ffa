package session

// Counters counts what a connection has done.
type Counters struct {
	MessagesIn, MessagesOut, BytesIn, BytesOut, Confirmed uint64
}

// Got counts n bytes of the peer.
func (n *Counters) Got(bytes int) { n.BytesIn += uint64(bytes) }

// Put counts n bytes for the peer.
func (n *Counters) Put(bytes int) { n.BytesOut += uint64(bytes) }

// Message counts one of the peer's messages.
func (n *Counters) Message() { n.MessagesIn++ }

// sentMessage counts one of ours.
func (n *Counters) sentMessage() { n.MessagesOut++ }

// Confirm counts ours that the peer has confirmed.
func (n *Counters) Confirm(messages int64) { n.Confirmed += uint64(messages) }
