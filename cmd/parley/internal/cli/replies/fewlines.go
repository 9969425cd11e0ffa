package replies

import (
	"log/slog"
	"sync"
	"time"
)

// linesASecond is how many warnings of one kind fewLines lets through.
const linesASecond = 20

// fewLines logs what peers cause: so many lines a second, and then how many
// more there were.
type fewLines struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time
	lines int
	more  int
}

func newFewLines(log *slog.Logger) *fewLines { return &fewLines{log: log} }

// warn logs a warning, or counts it.
func (l *fewLines) warn(msg string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.since) > time.Second {
		if l.more > 0 {
			l.log.Warn("more warnings were left out", "count", l.more)
		}
		l.since, l.lines, l.more = now, 0, 0
	}
	if l.lines++; l.lines > linesASecond {
		l.more++
		return
	}
	l.log.Warn(msg, args...)
}
