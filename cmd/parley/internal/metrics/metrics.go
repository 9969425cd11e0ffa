// Package metrics writes counters, gauges and histograms in the text formats of
// Prometheus and OpenMetrics.
package metrics

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Histogram counts times in buckets. The zero value is empty. Its methods may be called
// concurrently.
type Histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// bounds are those of the buckets: from 10 µs to 100 s.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 100 * time.Second,
}

// Add counts a time.
func (h *Histogram) Add(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Count is how many were added.
func (h *Histogram) Count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// Label is a name and a value.
type Label [2]string

// Writer writes metrics. Use New.
type Writer struct {
	out  *bufio.Writer
	open bool // the format is OpenMetrics
}

const (
	openMetrics = "application/openmetrics-text"
	openType    = openMetrics + "; version=1.0.0; charset=utf-8"
	plainType   = "text/plain; version=0.0.4; charset=utf-8"
)

// New returns a Writer for an answer, in the format that the request asks for.
func New(w http.ResponseWriter, r *http.Request) *Writer {
	m := &Writer{out: bufio.NewWriter(w), open: wantsOpen(r.Header.Values("Accept"))}
	if m.open {
		w.Header().Set("Content-Type", openType)
	} else {
		w.Header().Set("Content-Type", plainType)
	}
	w.Header().Set("Vary", "Accept")
	return m
}

// wantsOpen reports whether OpenMetrics is asked for at least as much as text.
func wantsOpen(accept []string) bool {
	open, text := 0.0, 0.0
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		version := params["version"]
		switch {
		case kind == openMetrics && (version == "" || version == "1.0.0" || version == "0.0.1"):
			open = max(open, q)
		case kind == "text/plain", kind == "*/*", kind == "text/*":
			text = max(text, q)
		}
	}
	return open > 0 && open >= text
}

// Family begins the metrics of one name, of kind counter, gauge or histogram. A counter's
// name ends in _total.
func (w *Writer) Family(name, kind, help string) {
	if w.open && kind == "counter" {
		name = strings.TrimSuffix(name, "_total")
	}
	fmt.Fprintf(w.out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	if w.open && strings.HasSuffix(name, "_seconds") {
		fmt.Fprintf(w.out, "# UNIT %s seconds\n", name)
	} else if w.open && strings.HasSuffix(name, "_bytes") {
		fmt.Fprintf(w.out, "# UNIT %s bytes\n", name)
	}
}

// Value writes one value of the family that has begun.
func (w *Writer) Value(name string, v any, labels ...Label) {
	w.out.WriteString(name)
	w.labels(labels)
	switch v := v.(type) {
	case float64:
		fmt.Fprintf(w.out, " %s\n", number(v))
	default:
		fmt.Fprintf(w.out, " %v\n", v)
	}
}

// One writes a family of one value.
func (w *Writer) One(name, kind, help string, v any) {
	w.Family(name, kind, help)
	w.Value(name, v)
}

// Histogram writes a histogram of the family that has begun.
func (w *Writer) Histogram(name string, h *Histogram, labels ...Label) {
	n := uint64(0)
	for i := range h.buckets {
		n += h.buckets[i].Load()
		le := "+Inf"
		if i < len(bounds) {
			le = number(bounds[i].Seconds())
		}
		w.Value(name+"_bucket", n, append(labels[:len(labels):len(labels)], Label{"le", le})...)
	}
	w.Value(name+"_sum", time.Duration(h.sum.Load()).Seconds(), labels...)
	w.Value(name+"_count", n, labels...)
}

func (w *Writer) labels(labels []Label) {
	for i, l := range labels {
		if i == 0 {
			w.out.WriteByte('{')
		} else {
			w.out.WriteByte(',')
		}
		w.out.WriteString(l[0] + `="`)
		escape.WriteString(w.out, l[1])
		w.out.WriteByte('"')
	}
	if len(labels) > 0 {
		w.out.WriteByte('}')
	}
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// number writes a number as both formats read it.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return map[bool]string{true: "+Inf", false: "-Inf"}[v > 0]
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// Close writes the end.
func (w *Writer) Close() error {
	if w.open {
		io.WriteString(w.out, "# EOF\n")
	}
	return w.out.Flush()
}
