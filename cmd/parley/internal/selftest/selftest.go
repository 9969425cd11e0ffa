// Package selftest measures what servers that belong together promise, with processes of
// the command itself: it starts them, kills them, stops them and counts.
package selftest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/program"
)

// Options say how much is tried.
type Options struct {
	Command string // the program
	Kills   int    // how often an owner is killed
	Pause   time.Duration
	Tell    func(Result)
}

// Result is a promise, and what was measured.
type Result struct {
	Promise  string `json:"promise"`
	Bound    string `json:"bound"`
	Measured string `json:"measured"`
	Kept     bool   `json:"kept"`
}

// run is one run of all checks.
type run struct {
	Options
	ctx  context.Context
	dir  string
	live []*process
	kin  program.Family // so that none outlives this process
}

// Run measures, tells each Result when it is there, and returns how many promises were not
// kept. An error says that something could not be measured.
func Run(ctx context.Context, o Options) (broken int, err error) {
	dir, err := os.MkdirTemp("", "parley-selftest-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	tell := o.Tell
	o.Tell = func(r Result) {
		if !r.Kept {
			broken++
		}
		tell(r)
	}
	r := &run{Options: o, ctx: ctx, dir: dir}
	defer r.end()
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"two machines", r.pair}, {"three machines", r.trio},
	} {
		if err := check.run(); err != nil {
			return broken, fmt.Errorf("%s: %w", check.name, err)
		}
		r.end()
	}
	return broken, nil
}

// end ends all processes.
func (r *run) end() {
	for _, p := range r.live {
		p.kill()
	}
	r.live = nil
}

// within tells of a time that has a bound.
func (r *run) within(promise string, took, bound time.Duration) {
	r.Tell(Result{promise, "≤ " + bound.String(), took.Round(100 * time.Microsecond).String(), took <= bound})
}

// both tells of times, in order, whose median and 99th hundredth have bounds.
func (r *run) both(promise string, sorted []time.Duration, median, most time.Duration) {
	p50, p99 := sorted[len(sorted)/2], sorted[len(sorted)*99/100]
	r.Tell(Result{
		promise, fmt.Sprintf("≤ %v, ≤ %v", median, most),
		fmt.Sprintf("%v, %v", p50.Round(time.Microsecond), p99.Round(time.Microsecond)), p50 <= median && p99 <= most,
	})
}

// equal tells of a count that must be another one.
func (r *run) equal(promise string, got, want int) {
	r.Tell(Result{promise, fmt.Sprint(want), fmt.Sprint(got), got == want})
}
