package main

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
)

// Standard error has notes for a person (the ready line, "connected", what image
// has measured), the log, and errors. -q leaves the errors; --log json makes every
// line of all three an object.

// logForm is the value of --log.
type logForm string

const (
	logText logForm = "text"
	logJSON logForm = "json"
)

// Set reads the flag.
func (f *logForm) Set(s string) error {
	switch form := logForm(s); form {
	case logText, logJSON:
		*f = form
		return nil
	}
	return errors.New("want text or json")
}

func (f *logForm) String() string { return string(*f) }

// Type names the flag's value in the help.
func (f *logForm) Type() string { return "FORM" }

// divert makes w what the command's standard error is, in the form that the flags
// ask for. less is how much less than -v asks for is logged there.
func (a *app) divert(w io.Writer, less int) {
	a.errs = w
	a.loud, a.trail = w, w
	if a.logForm == logJSON {
		h := slog.NewJSONHandler(harmless{w}, nil)
		a.loud = &lines{h: h, level: slog.LevelInfo}
		a.trail = &lines{h: h, level: slog.LevelDebug}
	}
	a.stderr = a.loud
	if a.quiet {
		a.stderr = io.Discard
	}
	level := slog.LevelWarn - slog.Level(4*(a.verbose-less))
	if a.quiet {
		level = slog.LevelError
	}
	a.log = newLogger(w, level, a.logForm)
}

// complain tells an error, which -q does not keep back.
func (a *app) complain(err error) {
	text := visible(bare(err).Error())
	if a.logForm != logJSON {
		fmt.Fprintf(a.errs, "parley: %s\n", text)
		return
	}
	msg, hint, _ := strings.Cut(text, "\n")
	r := slog.NewRecord(time.Now(), slog.LevelError, msg, 0)
	if hint != "" {
		r.AddAttrs(slog.String("hint", strings.Join(strings.Fields(hint), " ")))
	}
	slog.NewJSONHandler(harmless{a.errs}, nil).Handle(context.Background(), r)
}

// wantsJSON reports whether a command line asks for --log json. It is for mistakes
// that are found before the flags have been read.
func wantsJSON(args []string) bool {
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
	if _, err := h.w.Write(appendHarmless(nil, string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
