// Package due tells when a client that has ended its stream has all its answers,
// where nothing on the wire says so: each of its messages has one at least, and no
// more come for a while, twice as long as the slowest answer took.
package due

import (
	"sync"
	"time"
)

// MinPause is the shortest while.
const MinPause = 250 * time.Millisecond

// Answers counts the answers of one client.
type Answers struct {
	mu       sync.Mutex
	answered uint64
	due      uint64    // so many answers there must be, once done is set
	last     time.Time // something was asked or answered
	slowest  time.Duration
	done     func() // nil until the client's stream has ended
	pause    *time.Timer
}

// Asked notes a message of the client.
func (a *Answers) Asked() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = time.Now()
}

// Answered notes an answer.
func (a *Answers) Answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if !a.last.IsZero() {
		a.slowest = max(a.slowest, now.Sub(a.last))
	}
	a.last = now
	a.answered++
	a.look()
}

// End notes that the client's stream has ended, and how many answers its messages
// must have. done is called on a goroutine of its own as soon as none is due any more;
// that may be more than once.
func (a *Answers) End(due uint64, done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due, a.done = due, done
	a.look()
}

// look begins the pause, or begins it anew.
func (a *Answers) look() {
	pause := max(MinPause, 2*a.slowest)
	switch {
	case a.done == nil || a.answered < a.due:
	case a.due == 0:
		go a.done()
	case a.pause == nil:
		a.pause = time.AfterFunc(pause, a.done)
	default:
		a.pause.Reset(pause)
	}
}
