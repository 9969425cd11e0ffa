package ask

import (
	"context"
	"time"

	"github.com/parley-net/parley"
)

// A link is a connection that is always read, so that its end is noticed, and
// what comes has its time.
type link struct {
	conn    *parley.Conn
	arrived chan arrival
	cancel  context.CancelFunc
	done    chan struct{}
	last    time.Time // when the last answer came
	written uint64    // bytes sent before the question
	used    bool      // a question was sent
}

// arrival is what came, or why nothing more comes.
type arrival struct {
	m   parley.Message
	at  time.Time
	err error
}

func newLink(conn *parley.Conn) *link {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{conn: conn, arrived: make(chan arrival, 1), cancel: cancel, done: make(chan struct{})}
	go l.read(ctx)
	return l
}

// read receives until the connection or ctx ends.
func (l *link) read(ctx context.Context) {
	defer close(l.done)
	for {
		m, err := l.conn.Receive(ctx)
		select {
		case l.arrived <- arrival{m, time.Now(), err}:
		case <-ctx.Done():
			return
		}
		if err != nil && !isLost(err) {
			return
		}
	}
}

// close ends the connection.
func (l *link) close() error {
	l.cancel()
	<-l.done
	return l.conn.Close()
}
