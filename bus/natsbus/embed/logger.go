package embed

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// logEvery is how often the same kind of line is logged.
const logEvery = 10 * time.Second

// logger gives what NATS has to say to a slog.Logger: each kind of line once in a while,
// as the others can bring any of them about.
type logger struct {
	to *slog.Logger

	mu    sync.Mutex
	last  map[string]time.Time // by the line's format
	fatal string               // why the server does not start
}

func (l *logger) line(level slog.Level, format string, args []any) {
	l.mu.Lock()
	now := time.Now()
	wait := now.Sub(l.last[format]) < logEvery
	if !wait {
		l.last[format] = now
	}
	l.mu.Unlock()
	if !wait {
		l.to.Log(nil, level, "nats: "+fmt.Sprintf(format, args...))
	}
}

// Noticef logs what is of interest to who looks for it.
func (l *logger) Noticef(format string, args ...any) { l.line(slog.LevelDebug, format, args) }

// Warnf logs as NATS does.
func (l *logger) Warnf(format string, args ...any) { l.line(slog.LevelDebug, format, args) }

// Errorf logs as a warning: local service goes on.
func (l *logger) Errorf(format string, args ...any) { l.line(slog.LevelWarn, format, args) }

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
