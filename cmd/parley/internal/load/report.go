package load

import (
	"fmt"
	"runtime"
	"time"
)

// Report is what a measurement has found. In JSON times are in microseconds,
// except where the name says otherwise.
type Report struct {
	Conns     int     `json:"conns"`
	Depth     int     `json:"depth,omitempty"`     // closed loop
	Rate      float64 `json:"rate,omitempty"`      // open loop: messages per second asked for
	Size      int     `json:"size"`                // bytes of a message
	Seed      uint64  `json:"seed"`                // of the contents
	Ask       string  `json:"ask,omitempty"`       // the question, if answers were counted and not messages that come back
	Confirm   bool    `json:"confirm,omitempty"`   // confirmations instead of answers
	Seconds   float64 `json:"seconds"`             // the time that counted
	Messages  int64   `json:"messages"`            // that came back in this time
	PerSecond float64 `json:"messages_per_second"` // of these
	MBPerSec  float64 `json:"mb_per_second"`       // payload in one direction, 10^6 bytes
	Latency   Latency `json:"latency_us"`

	Wrong   int64  `json:"wrong"`           // messages that came back otherwise than they were sent
	First   string `json:"first,omitempty"` // the first of them
	Missing int64  `json:"missing"`         // messages that did not come back

	CPU     float64 `json:"generator_cpu"`                     // the share of its processors that the generator used; 0: unknown
	LateP99 float64 `json:"generator_late_p99_us,omitempty"`   // open loop: so late, at most, it sent 99 % of the messages by its own fault
	Limit   string  `json:"generator_was_the_limit,omitempty"` // why the figures may say more about the generator than about the peer
	Behind  string  `json:"peer_behind,omitempty"`             // open loop: that the peer did not keep up
}

// Latency is the distribution of the latencies of the messages that left, or
// in the open loop should have left, in the time that counted.
type Latency struct {
	Count int64   `json:"count"`
	Min   float64 `json:"min"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	P9999 float64 `json:"p99.99"`
	Max   float64 `json:"max"`
}

// OK reports whether everything came back as it was sent.
func (r *Report) OK() bool { return r.Wrong == 0 && r.Missing == 0 }

// limits of the generator: beyond them its own slowness is in the figures.
const (
	fullCPU  = 0.9
	lateTime = time.Millisecond
)

// report says what has been measured until end.
func (r *run) report(end time.Time) *Report {
	s := r.span.Load()
	rep := &Report{
		Conns: r.cfg.Conns, Rate: r.cfg.Rate, Size: r.cfg.Size, Seed: r.cfg.Seed, Confirm: r.cfg.Confirm,
		Seconds:  max(end.Sub(s.from), 0).Seconds(),
		Messages: r.completed.Load(),
		CPU:      r.cpu.share(),
		Latency:  r.distribution(),
	}
	if r.cfg.Question != nil {
		rep.Ask = r.cfg.Question.Text()
	}
	if r.cfg.Rate == 0 {
		rep.Depth = r.cfg.Depth
	}
	if rep.Seconds > 0 {
		rep.PerSecond = float64(rep.Messages) / rep.Seconds
		rep.MBPerSec = rep.PerSecond * float64(r.cfg.Size) / 1e6
	}
	rep.Wrong, rep.First = r.verdict.result()
	if s.over(end) {
		for _, w := range r.workers {
			rep.Missing += w.sent.Load() - w.got.Load()
		}
	}
	if r.cfg.Rate > 0 {
		rep.LateP99 = us(r.lateness.all().ValueAtQuantile(99))
	}
	rep.judge()
	return rep
}

func (r *run) distribution() Latency {
	h := r.latency.all()
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		Count: h.TotalCount(),
		Min:   us(h.Min()), Mean: h.Mean() / 1e3,
		P50: us(h.ValueAtQuantile(50)), P90: us(h.ValueAtQuantile(90)), P99: us(h.ValueAtQuantile(99)),
		P999: us(h.ValueAtQuantile(99.9)), P9999: us(h.ValueAtQuantile(99.99)), Max: us(h.Max()),
	}
}

func us(ns int64) float64 { return float64(ns) / 1e3 }

// judge says whose limits the figures show.
func (rep *Report) judge() {
	late := time.Duration(rep.LateP99 * 1e3)
	switch {
	case rep.CPU >= fullCPU:
		rep.Limit = fmt.Sprintf("it used %.0f%% of its %d processors", 100*rep.CPU, runtime.GOMAXPROCS(0))
	case late > lateTime && rep.LateP99 > rep.Latency.P99/10:
		rep.Limit = fmt.Sprintf("it sent 1%% of the messages more than %v late by its own fault", late.Round(10*time.Microsecond))
	}
	if rep.Rate > 0 && rep.PerSecond < 0.99*rep.Rate && rep.Messages < int64(rep.Rate*rep.Seconds)-int64(rep.Conns) {
		rep.Behind = fmt.Sprintf("%.0f of %.0f messages per second came back in time", rep.PerSecond, rep.Rate)
	}
}
