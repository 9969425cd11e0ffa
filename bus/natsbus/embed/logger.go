package embed

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// logEvery is how often the same kind of line is logged.
	logEvery = 10 * time.Second
	// logMost is how many lines of all kinds are logged in that time.
	logMost = 20
)

// logger gives what NATS has to say to a slog.Logger: each kind of line once in a while,
// and all together not many, as the others can bring any of them about.
type logger struct {
	to *slog.Logger

	mu    sync.Mutex
	begun time.Time       // of the present while
	told  map[string]bool // kinds of lines that were logged in it
	held  int             // lines that were not
	full  bool            // nothing more could be written
	fatal string          // why the server does not start
}

// kind is what a line is without what differs each time: NATS puts addresses and numbers
// into its formats.
func kind(format string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || r == '.' || r == ':' || r == '[' || r == ']' {
			return -1
		}
		return r
	}, format)
}

// admit reports whether a line may be logged, and how many were not before it.
func (l *logger) admit(format string) (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.begun) > logEvery {
		l.begun, l.told = now, make(map[string]bool)
	}
	k := kind(format)
	if l.told[k] || len(l.told) >= logMost {
		l.held++
		return 0, false
	}
	l.told[k] = true
	held, l.held = l.held, 0
	return held, true
}

func (l *logger) line(level slog.Level, format string, args []any) {
	if !l.to.Enabled(context.Background(), level) {
		return
	}
	held, ok := l.admit(format)
	if !ok {
		return
	}
	var more []any
	if held > 0 {
		more = []any{"left out before", held}
	}
	l.to.Log(context.Background(), level, "nats: "+fmt.Sprintf(format, args...), more...)
}

// Noticef logs what is of interest to who looks for it.
func (l *logger) Noticef(format string, args ...any) { l.line(slog.LevelDebug, format, args) }

// Warnf logs as NATS does.
func (l *logger) Warnf(format string, args ...any) { l.line(slog.LevelDebug, format, args) }

// Errorf logs as a warning: local service goes on. That the disk is full is told in no
// other way.
func (l *logger) Errorf(format string, args ...any) {
	if strings.Contains(format, "no space left") {
		l.noRoom()
	} else {
		for _, a := range args {
			if err, ok := a.(error); ok && strings.Contains(err.Error(), "no space left") {
				l.noRoom()
			}
		}
	}
	l.line(slog.LevelWarn, format, args)
}

func (l *logger) noRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = true
}

// isFull reports whether the disk was full.
func (l *logger) isFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full
}

// Fatalf keeps why the server does not start.
func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = fmt.Sprintf(format, args...)
	}
}

// Debugf and Tracef are never asked for.
func (l *logger) Debugf(string, ...any) {}

// Tracef is Debugf.
func (l *logger) Tracef(string, ...any) {}

// failed returns why the server does not start; "" if it does.
func (l *logger) failed() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
