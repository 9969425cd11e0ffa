package tap

import (
	"context"
	"fmt"

	"github.com/parley-net/parley/wire"

	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/tap"
)

// print prints a message, if it is wanted.
func (w *tapWatch) print(t *tapped, i tap.Item) {
	m := output.Unpickled(w.at.Protocol, i.Message)
	if !w.out.Wanted(m) {
		return
	}
	m, err := w.out.Shaped(context.Background(), m)
	if err != nil {
		t.log.Warn("can't print a message", "error", err)
		return
	}
	delta, rtt := 0.0, -1.0
	if !w.last.IsZero() {
		delta = t.now.Sub(w.last).Seconds()
	}
	w.last = t.now
	if asked := t.said[i.From.Peer()]; !asked.IsZero() {
		rtt = t.now.Sub(asked).Seconds()
	}
	w.line = w.line[:0]
	if w.o.out.JSON {
		r := output.NewRecord(m)
		r.TS, r.Conn, r.Dir, r.Proto = &t.now, t.id, string(dirOf(i.From)), w.at.Protocol.Name()
		if w.o.out.Delta {
			r.Delta = &delta
		}
		if w.o.out.RTT && rtt >= 0 {
			r.RTT = &rtt
		}
		line, err := r.AppendLine(w.line)
		if err != nil {
			t.log.Warn("can't print a message", "error", err)
			return
		}
		w.line = line
	} else {
		w.paint(terminal.ColourTime)
		switch {
		case w.o.out.Date:
			w.line = append(t.now.AppendFormat(w.line, "2006-01-02 15:04:05.000000"), ' ')
		case w.o.out.Time:
			w.line = append(t.now.AppendFormat(w.line, "15:04:05.000000"), ' ')
		}
		if w.o.out.Delta {
			w.line = fmt.Appendf(w.line, "+%.6f ", delta)
		}
		if w.o.out.RTT {
			if rtt >= 0 {
				w.line = fmt.Appendf(w.line, "%.6f ", rtt)
			} else {
				w.line = append(w.line, "-        "...) // nothing was asked
			}
		}
		w.line = fmt.Appendf(w.line, "#%d ", t.id)
		w.paint(terminal.ColourOff)
		if i.From == wire.Dialing {
			w.paint(terminal.ColourOut)
		} else {
			w.paint(terminal.ColourIn)
		}
		w.line = append(w.line, arrowOf(i.From), ' ')
		w.line = output.AppendTyped(w.line, w.at.Protocol, m, w.o.out.Hex, w.o.cut)
		w.paint(terminal.ColourOff)
		w.line = append(w.line, '\n')
	}
	w.stdout.Write(w.line) // an error is found by flush
}

// paint appends a colour where there is any.
func (w *tapWatch) paint(colour string) {
	if w.colour {
		w.line = append(w.line, colour...)
	}
}
