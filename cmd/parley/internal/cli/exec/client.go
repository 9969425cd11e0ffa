package exec

import (
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/program"
)

var clients parley.Key[*client]

// client is the program of a connection, with what has been written to it.
type client struct {
	*program.Program
	source *program.Source
	feed   feed
}

// follow ends the program's standard input behind the last message of a client that
// has ended its stream. What the program prints from then on still leaves; when the
// server ends, only --grace is left.
func (x *executor) follow(c *parley.Conn, p *client, left <-chan struct{}) {
	select {
	case <-left:
	case <-p.Over():
		return
	}
	if p.feed.end(c.Stats().MessagesIn) {
		p.Input.CloseAfter()
	}
	select {
	case <-x.ending:
		p.End()
	case <-p.Over():
	}
}

// feed tells when a program has been given all that a client had to say.
type feed struct {
	mu    sync.Mutex
	given uint64 // messages
	ended bool   // the client's stream has
	all   uint64 // so many messages there are then
}

// message notes that another message has been given, and reports whether it was
// the last one.
func (f *feed) message() (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.given++
	return f.ended && f.given == f.all
}

// end notes that the client's stream has ended behind so many messages, and reports
// whether all have been given.
func (f *feed) end(all uint64) (given bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.all = true, all
	return f.given >= all
}
