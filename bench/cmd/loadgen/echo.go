package main

import (
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/parley-net/parley/bench/internal/result"
)

// runEcho measures answers in a closed loop, or with -rate in an open one.
func runEcho(c config) (result.Report, error) {
	r := result.Report{Mode: "echo", Wire: c.wire, Conns: c.conns, Depth: c.depth, Size: c.size, Rate: c.rate}
	if c.rate > 0 && len(c.f.thank) > 0 {
		return r, errors.New("no fixed rate on " + c.wire + ", whose answers have to be confirmed")
	}
	l := &loop{
		c: c, ep: -1, p: makePatterns(c.f, c.size, c.depth), hist: hdrhistogram.New(100, 100e9, 3),
		from: int64(c.warmup), stop: int64(c.warmup + c.duration), fullChecks: c.size <= 4096,
	}
	l.buf = make([]byte, min(1<<20, max(64<<10, c.depth*l.p.resp.frame)))
	defer l.close()
	if err := l.open(); err != nil {
		return r, err
	}
	l.start = time.Now()
	l.run()
	if l.err != nil {
		return r, l.err
	}
	if err := l.meter.Stop(&r); err != nil {
		return r, err
	}
	if l.msgs == 0 {
		return r, nil // a machine with much other work may stall us that long
	}
	l.meter.PerMessage(&r, l.msgs)
	us := func(q float64) float64 { return float64(l.hist.ValueAtQuantile(q)) / 1e3 }
	r.P50us, r.P99us, r.P999us, r.MaxUs = us(50), us(99), us(99.9), float64(l.hist.Max())/1e3
	return r, nil
}
