package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
)

// askedRecord is a question with its answer as one line of JSON.
type askedRecord struct {
	TS       *time.Time      `json:"ts,omitempty"` // when it was sent
	Proto    string          `json:"proto"`
	Question output.Record   `json:"question"`
	Answers  []output.Record `json:"answers"`
	RTT      *float64        `json:"rtt,omitempty"` // seconds to the last message of the answer
	Error    string          `json:"error,omitempty"`
}

// printJSON prints a question with its answer.
func (r *asking) printJSON(ctx context.Context, x *ask.Exchange, failed error) error {
	out := askedRecord{Proto: r.at.Protocol.Name(), Question: output.NewRecord(x.Question), Answers: []output.Record{}}
	if !x.Sent.IsZero() {
		out.TS = &x.Sent
	}
	var first error
	for _, answer := range x.Answers {
		m, err := r.out.Shaped(ctx, answer.Message)
		if err != nil && first == nil {
			first = err
		}
		out.Answers = append(out.Answers, output.NewRecord(m))
	}
	if len(x.Answers) > 0 {
		out.RTT = output.Seconds(x.RTT())
	}
	if failed == nil {
		failed = first
	}
	if failed != nil {
		out.Error = fault.Bare(failed).Error()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return err
	}
	if _, err := r.a.Stdout.Write(terminal.AppendHarmless(nil, b.String())); err != nil {
		return err
	}
	return first
}
