package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/line"
)

// addBlock adds --block.
func (o *outputFlags) addBlock(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.block, "block", false, "print the data of the first IEEE 488.2 block (#…) of an answer and nothing else")
}

// noBlockError says that a message has no block.
type noBlockError struct{ m parley.Message }

func (e *noBlockError) Error() string {
	return fmt.Sprintf("--block: there is no IEEE 488.2 block in %s", ask.Name(e.m))
}

// blockOf returns the data of a message's first block as a message.
func blockOf(m parley.Message) (parley.Message, error) {
	data, ok := line.Block(m)
	if !ok {
		return m, &noBlockError{m}
	}
	return parley.Bytes(data), nil
}

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

// askedRecord is a question with its answer as one line of JSON.
type askedRecord struct {
	TS       *time.Time `json:"ts,omitempty"` // when it was sent
	Proto    string     `json:"proto"`
	Question record     `json:"question"`
	Answers  []record   `json:"answers"`
	RTT      *float64   `json:"rtt,omitempty"` // seconds to the last message of the answer
	Error    string     `json:"error,omitempty"`
}

// printJSON prints a question with its answer.
func (r *asking) printJSON(ctx context.Context, x *ask.Exchange, failed error) error {
	out := askedRecord{Proto: r.at.Protocol.Name(), Question: newRecord(x.Question), Answers: []record{}}
	if !x.Sent.IsZero() {
		out.TS = &x.Sent
	}
	var first error
	for _, answer := range x.Answers {
		m, err := r.out.shaped(ctx, answer.Message)
		if err != nil && first == nil {
			first = err
		}
		out.Answers = append(out.Answers, newRecord(m))
	}
	if len(x.Answers) > 0 {
		out.RTT = seconds(x.RTT())
	}
	if failed == nil {
		failed = first
	}
	if failed != nil {
		out.Error = bare(failed).Error()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return err
	}
	if _, err := r.a.stdout.Write(appendHarmless(nil, b.String())); err != nil {
		return err
	}
	return first
}
