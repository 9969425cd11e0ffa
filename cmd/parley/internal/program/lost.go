package program

import (
	"log/slog"
	"sync"
)

const (
	// shown is how much of a line is logged.
	shown = 80
	// maxShown is how many lines that were not sent are logged one by one.
	maxShown = 3
)

// lost counts the lines of a program that were not sent.
type lost struct {
	mu    sync.Mutex
	told  int // one by one
	count int // the others
	why   error
}

// NotSent logs that a line is not the message it was meant to be, or counts it: the
// count is logged at the end.
func (p *Program) NotSent(line []byte, err error) {
	l := &p.lost
	l.mu.Lock()
	more := l.told == maxShown
	if more {
		l.count, l.why = l.count+1, err
	} else {
		l.told++
	}
	l.mu.Unlock()
	if !more {
		text := string(line[:min(len(line), shown)])
		if len(line) > shown {
			text += "…"
		}
		p.Log.Warn("the program's line was not sent", "line", text, "error", err)
	}
}

// Unheard counts lines for which there is nobody any more; err says why.
func (p *Program) Unheard(lines int, err error) {
	l := &p.lost
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count, l.why = l.count+lines, err
}

// tell logs what was counted.
func (l *lost) tell(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count > 0 {
		log.Warn("lines of the program were not sent", "lines", l.count, "reason", l.why)
	}
}
