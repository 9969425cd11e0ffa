package image

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/render"
)

// figures are what is told of a frame.
type figures struct {
	File          string
	Width, Height int
	Type          render.Type
	render.Stats
	Dropped int64 // with --watch: frames that were not written so far
}

// figuresJSON is a line of image --json.
type figuresJSON struct {
	TS      time.Time   `json:"ts"`
	Proto   string      `json:"proto"`
	Len     int         `json:"len"` // of the message
	File    string      `json:"file"`
	Width   int         `json:"width"`
	Height  int         `json:"height"`
	Type    render.Type `json:"type"`
	Min     *float64    `json:"min"` // null: no pixel is a finite number
	Max     *float64    `json:"max"`
	Mean    *float64    `json:"mean"`
	NaN     int         `json:"nan"`
	Inf     int         `json:"inf"`
	Dropped *int64      `json:"dropped,omitempty"`
	Delta   *float64    `json:"delta,omitempty"`
	RTT     *float64    `json:"rtt,omitempty"`
}

// tell prints the figures: to standard error for a person, to standard output
// as JSON.
func (p *picturing) tell(a arrived, f figures) error {
	o := &p.shape.Flags
	if !o.JSON {
		line := o.Prefix(nil, a.at, a.delta, a.rtt)
		line = fmt.Appendf(line, "%s: %dx%d %s, min %.6g, max %.6g, mean %.6g", f.File, f.Width, f.Height, f.Type, f.Min, f.Max, f.Mean)
		if f.NaN > 0 {
			line = fmt.Appendf(line, ", %d NaN", f.NaN)
		}
		if f.Inf > 0 {
			line = fmt.Appendf(line, ", %d infinite", f.Inf)
		}
		if p.overwrite {
			line = fmt.Appendf(line, ", %d dropped", f.Dropped)
		}
		_, err := fmt.Fprintf(p.a.Stderr, "%s\n", line)
		return err
	}
	j := figuresJSON{
		TS: a.at, Proto: p.proto, Len: a.Len(), File: f.File,
		Width: f.Width, Height: f.Height, Type: f.Type, NaN: f.NaN, Inf: f.Inf,
	}
	if f.NaN+f.Inf < f.Width*f.Height {
		j.Min, j.Max, j.Mean = &f.Min, &f.Max, &f.Mean
	}
	if p.overwrite {
		j.Dropped = &f.Dropped
	}
	if o.Delta {
		j.Delta = output.Seconds(a.delta)
	}
	if o.RTT {
		j.RTT = output.Seconds(a.rtt)
	}
	return json.NewEncoder(p.a.Stdout).Encode(j)
}
