package bridge

import "github.com/parley-net/parley"

// maxAhead bounds what one direction holds beyond what its connection does, in
// bytes; one message always fits.
const maxAhead = 16 << 20

// flow is one direction of a pair: messages that have been read and wait to be
// sent. Usually it holds one, and reading waits for it to be on its way. But
// while the other direction waits for room, a grant or a confirmation on the
// connection that this one reads from, reading goes on: what is waited for
// comes behind what is not yet read, and two peers that both send large
// messages would block each other for ever.
type flow struct {
	p      *pair
	urgent *int // how many senders wait on the connection that is read from; p.mu guards it

	// p.mu guards these, and p.changed tells of their changes.
	queue []parley.Message
	bytes int
	busy  bool  // a message is being sent
	ended bool  // nothing more comes
	err   error // why nothing more can be sent
}

// put adds a message when there is room for it. It returns the error of the
// message that could not be sent, if there is one.
func (f *flow) put(m parley.Message) error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	for f.err == nil && len(f.queue) > 0 && (*f.urgent == 0 || f.bytes >= maxAhead) {
		f.p.changed.Wait()
	}
	if f.err == nil {
		f.queue = append(f.queue, m)
		f.bytes += m.Len()
		f.p.changed.Broadcast()
	}
	return f.err
}

// drain waits until everything has been sent.
func (f *flow) drain() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	for f.err == nil && (f.busy || len(f.queue) > 0) {
		f.p.changed.Wait()
	}
	return f.err
}

// end says that nothing more comes. What waits is still sent.
func (f *flow) end() {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.ended = true
	f.p.changed.Broadcast()
}

// run sends what is put in until the end, or until send fails.
func (f *flow) run(send func(parley.Message) error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	for f.err == nil {
		for len(f.queue) == 0 && !f.ended {
			f.p.changed.Wait()
		}
		if len(f.queue) == 0 {
			return
		}
		m := f.queue[0]
		f.queue[0] = parley.Message{}
		f.queue = f.queue[1:]
		f.bytes -= m.Len()
		f.busy = true
		f.p.changed.Broadcast()
		f.p.mu.Unlock()
		err := send(m)
		f.p.mu.Lock()
		f.busy, f.err = false, err
		f.p.changed.Broadcast()
	}
}

// waiting notes, while send runs, that a sender waits on a connection.
func (p *pair) waiting(urgent *int, send func() error) error {
	p.mu.Lock()
	*urgent++
	p.changed.Broadcast()
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		*urgent--
		p.mu.Unlock()
	}()
	return send()
}
