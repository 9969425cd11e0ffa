package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/wire"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/tap"
)

// print prints a message, if it is wanted.
func (w *tapWatch) print(t *tapped, i tap.Item) {
	m := unpickled(w.at.Protocol, i.Message)
	if !w.out.wanted(m) {
		return
	}
	m, err := w.out.shaped(context.Background(), m)
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
	if w.o.out.json {
		r := newRecord(m)
		r.TS, r.Conn, r.Dir, r.Proto = &t.now, t.id, string(dirOf(i.From)), w.at.Protocol.Name()
		if w.o.out.delta {
			r.Delta = &delta
		}
		if w.o.out.rtt && rtt >= 0 {
			r.RTT = &rtt
		}
		line, err := r.appendLine(w.line)
		if err != nil {
			t.log.Warn("can't print a message", "error", err)
			return
		}
		w.line = line
	} else {
		w.paint(colourTime)
		switch {
		case w.o.out.date:
			w.line = append(t.now.AppendFormat(w.line, "2006-01-02 15:04:05.000000"), ' ')
		case w.o.out.time:
			w.line = append(t.now.AppendFormat(w.line, "15:04:05.000000"), ' ')
		}
		if w.o.out.delta {
			w.line = fmt.Appendf(w.line, "+%.6f ", delta)
		}
		if w.o.out.rtt {
			if rtt >= 0 {
				w.line = fmt.Appendf(w.line, "%.6f ", rtt)
			} else {
				w.line = append(w.line, "-        "...) // nothing was asked
			}
		}
		w.line = fmt.Appendf(w.line, "#%d ", t.id)
		w.paint(colourOff)
		if i.From == wire.Dialing {
			w.paint(colourOut)
		} else {
			w.paint(colourIn)
		}
		w.line = append(w.line, arrowOf(i.From), ' ')
		w.line = appendTyped(w.line, w.at.Protocol, m, w.o.out.hex, w.o.cut)
		w.paint(colourOff)
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

// appendTyped appends a message on one line, in the form in which it can be
// given to send: with its type in front, where the wire has more than one.
func appendTyped(dst []byte, p parley.Protocol, m parley.Message, asHex bool, most int) []byte {
	if oneline.Invalid(m) {
		dst = append(dst, "(invalid) "...)
	}
	if mode, ok := serpy.Mode(m); ok {
		dst = append(strconv.AppendInt(append(dst, "(mode "...), int64(mode), 10), ") "...)
	}
	kind, b := m.Type().String(), payload(m)
	if j, ok := recording.ToJSON(m.Object()); ok && m.Type() == parley.TypeObject && !asHex {
		kind, b = "json", j
	}
	rest, binary := "", isBinary(b)
	if size := len(b); most > 0 && size > most {
		if b = b[:most]; !binary {
			b = trimRune(b)
		}
		rest = fmt.Sprintf("… (%d bytes)", size)
	} else if binary && size > bigBinary {
		rest = fmt.Sprintf(" (%d bytes)", size)
	}
	mode, _ := serpy.Mode(m)
	bare := bits.OnesCount8(uint8(p.Traits().Types)) == 1 || // nothing but this type
		m.Type() == parley.TypeBytes && p.Name() == "serpy" && mode < 2 // what text becomes there
	switch {
	case asHex:
		return append(hex.AppendEncode(dst, b), rest...)
	case binary:
		return append(hex.AppendEncode(append(dst, "hex:"...), b), rest...)
	case m.Type() == parley.TypeText || bare:
		kind = ""
		if before, _, ok := bytes.Cut(b, []byte(":")); ok && isKind(string(before)) || bytes.HasPrefix(b, []byte("@")) {
			kind = "text"
		}
	}
	if kind != "" {
		dst = append(append(dst, kind...), ':')
	}
	return append(appendOneLine(dst, b), rest...)
}

// bigBinary is from which length on, in bytes, what looks like no text is shown in
// hexadecimal and with its length: as escapes nobody could read it.
const bigBinary = 32

// isBinary reports whether b is no text, as far as its beginning tells: it is no
// UTF-8, or it is long and more than a tenth of it would be escapes.
func isBinary(b []byte) bool {
	const most = 64 << 10
	if len(b) > most {
		b = trimRune(b[:most])
	}
	if !utf8.Valid(b) {
		return true
	}
	if len(b) <= bigBinary {
		return false
	}
	controls := 0
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != 0x1b || c == 0x7f {
			controls++
		}
	}
	return controls*10 > len(b)
}

// trimRune removes the beginning of a character at the end of b.
func trimRune(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// appendOneLine appends b with what would act on a terminal, or end the line,
// escaped.
func appendOneLine(dst, b []byte) []byte {
	start := len(dst)
	dst = appendVisible(dst, b)
	if bytes.IndexByte(dst[start:], '\n') < 0 {
		return dst
	}
	return append(dst[:start], bytes.ReplaceAll(bytes.Clone(dst[start:]), []byte("\n"), []byte(`\n`))...)
}
