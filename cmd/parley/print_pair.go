package main

import (
	"bytes"
	"encoding/hex"
	"time"

	"github.com/parley-net/parley"
)

// sentAt notes when the last message was sent, for --rtt.
func (p *printer) sentAt(t time.Time) {
	p.mu.Lock()
	p.sent = t
	p.mu.Unlock()
}

// pair prints a question and an answer, or that there is none, with a tab between
// them. Tabs and line feeds in them are escaped, so that it stays one line.
func (p *printer) pair(at time.Time, question parley.Message, answer *parley.Message) error {
	delta, rtt := p.times(at)
	if answer == nil {
		rtt = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = p.o.prefix(p.buf[:0], at, delta, rtt)
	p.buf = append(appendField(p.buf, payload(question)), '\t')
	switch {
	case answer == nil:
	case p.o.hex:
		p.buf = hex.AppendEncode(p.buf, payload(*answer))
	default:
		p.buf = appendField(p.buf, payload(*answer))
	}
	p.buf = append(p.buf, '\n')
	_, err := p.a.stdout.Write(p.buf)
	return err
}

// appendField appends b as a field of a line that tabs part.
func appendField(dst, b []byte) []byte {
	for _, r := range []struct{ from, to string }{{`\`, `\\`}, {"\n", `\n`}, {"\r", `\r`}, {"\t", `\t`}} {
		b = bytes.ReplaceAll(b, []byte(r.from), []byte(r.to))
	}
	return appendVisible(dst, b)
}
