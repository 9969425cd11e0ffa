package tap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/recording"
)

// rotation is the value of --rotate: a size or an age.
type rotation struct {
	size app.Size
	age  time.Duration
	text string
}

// Set reads the flag.
func (r *rotation) Set(text string) error {
	r.text = text
	if d, err := time.ParseDuration(text); err == nil && d >= time.Second {
		r.age = d
		return nil
	}
	if err := r.size.Set(text); err != nil || r.size < 1<<10 {
		return errors.New("want a size from 1K, such as 100M, or an age from 1s, such as 1h")
	}
	return nil
}

func (r *rotation) String() string { return r.text }

// Type names the flag's value in the help.
func (r *rotation) Type() string { return "WHEN" }

// check says what is wrong with the flags.
func (r *rotation) check(o tapOptions) error {
	switch {
	case r.text == "" && o.keep > 0:
		return fault.Usagef("--keep is for --rotate")
	case r.text != "" && o.record == "" && o.pcapng == "":
		return fault.Usagef("--rotate is for --record and --pcapng")
	}
	return nil
}

// turning is when the files of a tap get successors.
type turning struct {
	n                 int // of the file that is being written, from 1
	since             time.Time
	written, captured int64
	names             [][]string // of the files so far, the oldest first
}

func newTurning(now time.Time, o tapOptions) turning {
	return turning{n: 1, since: now, names: [][]string{nonEmpty(o.record, o.pcapng)}}
}

func nonEmpty(names ...string) (all []string) {
	for _, n := range names {
		if n != "" {
			all = append(all, n)
		}
	}
	return all
}

// isDue reports whether it is time.
func (t *turning) isDue(r rotation, now time.Time) bool {
	return r.size > 0 && max(t.written, t.captured) >= int64(r.size) || r.age > 0 && now.Sub(t.since) >= r.age
}

// numbered is the name of the file n: session.jsonl, session-2.jsonl.
func numbered(name string, n int) string {
	if name == "" || n == 1 {
		return name
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
}

// rotateIf begins new files, if it is time.
func (w *tapWatch) rotateIf(now time.Time) {
	if !w.turn.isDue(w.o.rotate, now) {
		return
	}
	if err := w.rotate(now); err != nil {
		w.a.Log.Warn("no new file was begun, the one before goes on", "error", err)
		w.turn.since, w.turn.written, w.turn.captured = now, 0, 0
	}
}

// rotate begins new files. Connections that are open begin in them anew.
func (w *tapWatch) rotate(now time.Time) error {
	old, oldRecord, oldPcap := w.files, w.record, w.pcap
	var kept, closing []*tapFile
	for _, f := range old {
		if f.name == "--record" || f.name == "--pcapng" {
			closing = append(closing, f)
		} else {
			kept = append(kept, f)
		}
	}
	w.files = kept
	n := w.turn.n + 1
	record, capture := numbered(w.o.record, n), numbered(w.o.pcapng, n)
	if err := w.openFiles(record, capture); err != nil {
		for _, f := range w.files[len(kept):] {
			f.close()
		}
		w.files, w.record, w.pcap = old, oldRecord, oldPcap
		return err
	}
	for _, f := range closing {
		if err := errors.Join(f.flush(), f.close()); err != nil {
			w.a.Log.Warn("a file is incomplete", "file", f.name, "error", err)
		}
	}
	w.turn = turning{n: n, since: now, names: append(w.turn.names, nonEmpty(record, capture))}
	w.beginAnew(now)
	w.removeOld()
	return nil
}

// beginAnew says in the new files which connections are open.
func (w *tapWatch) beginAnew(now time.Time) {
	store := w.store
	w.store = nil // it has them
	defer func() { w.store = store }()
	for _, t := range w.tapped {
		if w.pcap != nil {
			t.flow = w.pcap.Open(now, addrPort(t.client, 40_000+uint16(t.id%20_000)), addrPort(t.server, 5000))
		}
		e := &recording.Entry{Event: recording.Open, Proto: w.at.Protocol.Name()}
		if p, ok := w.at.Protocol.(line.Protocol); ok {
			e.Prompt = p.Prompt
		}
		at := t.now
		t.now = now
		w.write(e, t)
		t.now = at
	}
}

// removeOld removes files beyond --keep.
func (w *tapWatch) removeOld() {
	for w.o.keep > 0 && len(w.turn.names) > w.o.keep {
		for _, name := range w.turn.names[0] {
			if err := os.Remove(name); err != nil {
				w.a.Log.Warn("an old file stays", "error", err)
			}
		}
		w.turn.names = w.turn.names[1:]
	}
}
