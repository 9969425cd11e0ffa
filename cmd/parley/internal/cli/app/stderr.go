package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
)

// Standard error has notes for a person (the ready line, "connected", what image
// has measured), the log, and errors. -q leaves the errors; --log json makes every
// line of all three an object.

// logForm is the value of --log.
type logForm string

const (
	LogText logForm = "text"
	LogJSON logForm = "json"
)

// Set reads the flag.
func (f *logForm) Set(s string) error {
	switch form := logForm(s); form {
	case LogText, LogJSON:
		*f = form
		return nil
	}
	return errors.New("want text or json")
}

func (f *logForm) String() string { return string(*f) }

// Type names the flag's value in the help.
func (f *logForm) Type() string { return "FORMAT" }

// Divert makes w what the command's standard error is, in the form that the flags
// ask for. less is how much less than -v asks for is logged there.
func (a *App) Divert(w io.Writer, less int) {
	a.Errs = w
	a.Loud, a.Trail = w, w
	if a.LogForm == LogJSON {
		h := slog.NewJSONHandler(harmless{w}, nil)
		a.Loud = &lines{h: h, level: slog.LevelInfo}
		a.Trail = &lines{h: h, level: slog.LevelDebug}
	}
	a.Stderr = a.Loud
	if a.Quiet {
		a.Stderr = io.Discard
	}
	level := slog.LevelWarn - slog.Level(4*(a.Verbose-less))
	if a.Quiet {
		level = slog.LevelError
	}
	a.Log = NewLogger(w, level, a.LogForm)
}

const (
	// maxLine is the longest line of an error, and maxText the longest error, in bytes: a
	// part of it may be what a peer has said.
	maxLine = 4 << 10
	maxText = 16 << 10
)

// bounded cuts each line of an error, and then all of it, and says how much is missing.
func bounded(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = cutTo(line, maxLine)
	}
	return cutTo(strings.Join(lines, "\n"), maxText)
}

func cutTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(text[:most], ""), len(text)-most)
}

// Complain tells an error, which -q does not keep back: what can't act on a terminal, and
// not more than somebody reads.
func (a *App) Complain(err error) {
	text := terminal.Visible(bounded(fault.Bare(err).Error()))
	if a.LogForm != LogJSON {
		fmt.Fprintf(a.Errs, "parley: %s\n", text)
		return
	}
	msg, hint, _ := strings.Cut(text, "\n")
	r := slog.NewRecord(time.Now(), slog.LevelError, msg, 0)
	if hint != "" {
		r.AddAttrs(slog.String("hint", strings.Join(strings.Fields(hint), " ")))
	}
	slog.NewJSONHandler(harmless{a.Errs}, nil).Handle(context.Background(), r)
}

// WantsJSON reports whether a command line asks for --log json. It is for mistakes
// that are found before the flags have been read.
func WantsJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--log=json" || arg == "--log" && slices.Contains(args[i+1:min(i+2, len(args))], "json") {
			return true
		}
	}
	return false
}

// lines logs each line that is written to it, whichever level the log has.
type lines struct {
	h     slog.Handler
	level slog.Level

	mu   sync.Mutex
	rest []byte // of a line that is not complete
}

// Write logs the lines that b completes.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.rest = rest
		if text := strings.TrimSpace(string(line)); text != "" {
			if err := l.h.Handle(context.Background(), slog.NewRecord(time.Now(), l.level, text, 0)); err != nil {
				return 0, err
			}
		}
	}
}

// harmless writes JSON with what could act on a terminal as \u.
type harmless struct{ w io.Writer }

// Write writes whole lines of JSON.
func (h harmless) Write(b []byte) (int, error) {
	if _, err := h.w.Write(terminal.AppendHarmless(nil, string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
