package output

import (
	"bytes"
	"encoding/hex"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
)

// SentAt notes when the last message was sent, for --rtt.
func (p *Printer) SentAt(t time.Time) {
	p.mu.Lock()
	p.sent = t
	p.mu.Unlock()
}

// Pair prints a question and an answer, or that there is none, with a tab between
// them. Tabs and line feeds in them are escaped, so that it stays one line.
func (p *Printer) Pair(at time.Time, question parley.Message, answer *parley.Message) error {
	delta, rtt := p.Times(at)
	if answer == nil {
		rtt = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = p.Flags.Prefix(p.buf[:0], at, delta, rtt)
	p.buf = append(appendField(p.buf, Payload(question)), '\t')
	switch {
	case answer == nil:
	case p.Flags.Hex:
		p.buf = hex.AppendEncode(p.buf, Payload(*answer))
	default:
		p.buf = appendField(p.buf, Payload(*answer))
	}
	p.buf = append(p.buf, '\n')
	_, err := p.a.Stdout.Write(p.buf)
	return err
}

// appendField appends b as a field of a line that tabs part.
func appendField(dst, b []byte) []byte {
	for _, r := range []struct{ from, to string }{{`\`, `\\`}, {"\n", `\n`}, {"\r", `\r`}, {"\t", `\t`}} {
		b = bytes.ReplaceAll(b, []byte(r.from), []byte(r.to))
	}
	return terminal.AppendVisible(dst, b)
}
