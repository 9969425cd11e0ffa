// Package bench is the room of parley bench; internal/load makes the load.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/load"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	load load.Config
	size app.Size
	kind string
	ask  string
	json bool
}

func Command(a *app.App) *cobra.Command {
	o := benchOptions{size: 16}
	cmd := &cobra.Command{
		Use:   "bench URL",
		Short: "Measure how fast a peer answers",
		Long: `Sends messages to a peer that sends each one back ("parley serve --echo", or an
original echo server), checks that they come back unchanged and in order, and
prints how many do so in a second and how long they take.

Without --rate it is a closed loop: each connection keeps --depth messages under
way and sends the next when one is back. That measures throughput; the latencies
are those of a peer that is never asked for more than it does, and hide what its
pauses would cost. With --rate it is an open loop: messages leave at that rate,
and a latency counts from the moment when the message should have left. A pause
then shows in every message that it held up (no coordinated omission).

With --ask it sends a question instead and waits for an answer, whatever that is:
for instruments, which don't send back what they are told.

--confirm measures the protocol's own confirmations (tinyproto, serpy) instead, so
any peer that takes messages will do.

The report goes to standard output. It says so when the generator, not the peer,
may have been what the figures show. The exit code is 1 if a message came back
changed or not at all.

An original tinyproto peer does not survive two messages that cross: measure it
with --depth 1, or with --confirm against a peer that sends nothing.`,
		Example: `  parley bench tinyproto://localhost:8088 --conns 16 --depth 8 --size 1K
  parley bench scpi://scope --ask '*IDN?' --rate 20 --duration 1m
  parley bench serpy://localhost:6001?mode=1 --confirm --json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.CompleteURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, _, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			return measure(cmd.Context(), a, e, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVarP(&o.load.Conns, "conns", "c", 1, "`N` connections")
	f.IntVar(&o.load.Depth, "depth", 1, "`N` messages under way on each connection")
	f.Float64Var(&o.load.Rate, "rate", 0, "send `N` messages per second, on all connections together")
	f.Lookup("rate").DefValue = "0"
	f.Var(&o.size, "size", "`SIZE` of a message")
	f.StringVar(&o.kind, "type", "", "`TYPE` of the messages: bytes or text (default bytes, on oneline text)")
	f.DurationVar(&o.load.Duration, "duration", 10*time.Second, "measure for `TIME`")
	f.DurationVar(&o.load.Warmup, "warmup", time.Second, "run for `TIME` before that, which does not count")
	f.Uint64Var(&o.load.Seed, "seed", 1, "seed `N` of the contents")
	f.StringVar(&o.ask, "ask", "", "ask with `MSG` and count the answers: "+input.Forms)
	f.BoolVar(&o.load.Confirm, "confirm", false, "measure the protocol's confirmations, not messages that come back")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	cmd.MarkFlagsMutuallyExclusive("rate", "depth")
	for _, other := range []string{"size", "type", "seed", "confirm"} {
		cmd.MarkFlagsMutuallyExclusive("ask", other)
	}
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"bytes", "text"}, cobra.ShellCompDirectiveNoFileComp))
	a.DialFlags(cmd)
	return cmd
}

// measure does what the command promises.
func measure(ctx context.Context, a *app.App, e endpoint.Endpoint, o benchOptions) error {
	if err := o.check(e.Protocol); err != nil {
		return err
	}
	o.load.Timeout = a.AnswerTimeout()
	d, err := a.Dialer(e)
	if err != nil {
		return err
	}
	if d.Limits.MaxMessage == 0 && o.size > 64<<20 {
		d.Limits.MaxMessage = int64(o.size)
	}
	progress, clear := benchProgress(a, o.load)
	o.load.Progress = progress
	rep, err := load.Run(ctx, o.load, d, func(ctx context.Context) (*parley.Conn, error) {
		c, err := d.Dial(ctx, e.Addr)
		if err != nil {
			a.Queued.Add(d, e)
		}
		return c, err
	})
	clear()
	if rep != nil {
		print := printBench
		if o.json {
			print = printBenchJSON
		}
		if perr := print(a.Stdout, e, o, rep); err == nil {
			err = perr
		}
		if err == nil && !rep.OK() {
			err = fmt.Errorf("verification failed: %s", verification(rep))
			if rep.Ask == "" && (rep.Messages == 0 || rep.Wrong > 0) {
				err = fmt.Errorf("%w\n  for a peer that does not send back what it is told: --ask QUESTION", err)
			}
		}
	}
	return err
}

// benchProgress shows on a terminal how far a measurement is; clear removes it.
func benchProgress(a *app.App, c load.Config) (show func(time.Duration, int64), clear func()) {
	if !terminal.IsTerminal(a.Stderr) || terminal.IsDumb() {
		return nil, func() {}
	}
	whole := c.Warmup + c.Duration
	var last time.Duration
	var before int64
	show = func(elapsed time.Duration, n int64) {
		rate := float64(n-before) / max((elapsed-last).Seconds(), 1e-3)
		last, before = elapsed, n
		fmt.Fprintf(a.Stderr, "\r\x1b[K%.1f of %.1f s, %d messages, %.0f per second", elapsed.Seconds(), whole.Seconds(), n, rate)
	}
	return show, func() { fmt.Fprint(a.Stderr, "\r\x1b[K") }
}

// check completes the options and says what is wrong with them.
func (o *benchOptions) check(p parley.Protocol) error {
	t := p.Traits()
	switch {
	case o.load.Conns < 1, o.load.Depth < 1:
		return fault.Usagef("--conns and --depth: want at least 1")
	case t.Clients > 0 && o.load.Conns > t.Clients:
		return fault.Usagef("--conns %d: a %s server serves %s at a time", o.load.Conns, p.Name(), app.ClientCount(t.Clients))
	case o.load.Rate < 0 || o.load.Rate > 1e9:
		return fault.Usagef("--rate %g: want messages per second", o.load.Rate)
	case o.load.Duration <= 0, o.load.Warmup < 0:
		return fault.Usagef("--duration must be more than 0, --warmup not less")
	case o.load.Confirm && !t.Confirms:
		return fault.Usagef("--confirm: %s has no confirmations", p.Name())
	case int64(o.size) > t.MaxMessage, app.Size(int(o.size)) != o.size:
		return fault.Usagef("--size %s: %s takes messages of at most %d bytes", o.size.String(), p.Name(), t.MaxMessage)
	}
	if o.ask != "" {
		return o.question(p)
	}
	o.load.Size = int(o.size)
	switch o.kind {
	case "":
		o.load.Text = !t.Types.Has(parley.TypeBytes)
	case "text":
		o.load.Text = true
	case "bytes":
		if !t.Types.Has(parley.TypeBytes) {
			return fault.Usagef("--type bytes: %s carries text only", p.Name())
		}
	default:
		return fault.Usagef("--type %s: want bytes or text", o.kind)
	}
	return nil
}

// question reads the question of --ask.
func (o *benchOptions) question(p parley.Protocol) error {
	if o.ask == "-" {
		return fault.Usagef("--ask -: standard input can't be used here; text:- sends a -")
	}
	m, err := input.Parse(o.ask, "text")
	switch {
	case err != nil:
		return fault.Usagef("--ask: %w", err)
	case p.Name() == "scpi" && !ask.IsQuery(m.Bytes()):
		return fault.Usagef("--ask %s: on scpi a message without a ? has no answer", o.ask)
	}
	o.load.Question, o.load.Size = &m, m.Len()
	return nil
}

// printBench prints a report for a person.
func printBench(w io.Writer, e endpoint.Endpoint, o benchOptions, r *load.Report) error {
	loop := fmt.Sprintf("depth %d", r.Depth)
	if r.Rate > 0 {
		loop = fmt.Sprintf("%g messages per second", r.Rate)
	}
	what := "came back"
	switch {
	case r.Confirm:
		what = "confirmed"
	case r.Ask != "":
		what = "answered"
	}
	l := r.Latency
	_, err := fmt.Fprintf(w, `%s: %s, %s, %d bytes, %.4gs
%-10s %d messages, %.1f per second, %.2f MB/s
latency    min %s  mean %s  max %s
           p50 %s  p90 %s  p99 %s  p99.9 %s  p99.99 %s
checked    %s
generator  %s
`,
		e, wording.Plural(r.Conns, "connection"), loop, r.Size, r.Seconds,
		what, r.Messages, r.PerSecond, r.MBPerSec,
		micros(l.Min), micros(l.Mean), micros(l.Max),
		micros(l.P50), micros(l.P90), micros(l.P99), micros(l.P999), micros(l.P9999),
		verification(r), generator(r))
	if err == nil && r.Behind != "" {
		_, err = fmt.Fprintf(w, "peer       did not keep up: %s\n", r.Behind)
	}
	return err
}

// benchJSON is the report as JSON.
type benchJSON struct {
	URL   string `json:"url"`
	Proto string `json:"proto"`
	OK    bool   `json:"ok"`
	*load.Report
}

func printBenchJSON(w io.Writer, e endpoint.Endpoint, _ benchOptions, r *load.Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(benchJSON{URL: e.String(), Proto: e.Protocol.Name(), OK: r.OK(), Report: r})
}

// micros prints a time in microseconds, in ASCII where the locale has no more.
func micros(us float64) string {
	d := time.Duration(us * 1e3)
	unit := time.Second / 1000
	for unit > 1 && d < 1000*unit {
		unit /= 10
	}
	return terminal.Words(d.Round(unit).String())
}

// verification says whether everything came back as it was sent.
func verification(r *load.Report) string {
	switch {
	case r.Wrong > 0:
		return fmt.Sprintf("%d wrong, %d missing; the first: %s", r.Wrong, r.Missing, r.First)
	case r.Missing > 0:
		return fmt.Sprintf("%d missing", r.Missing)
	case r.Latency.Count == 0 && r.Messages == 0:
		return "nothing came in the time that counted"
	case r.Confirm:
		return "all confirmed; contents do not come back"
	case r.Ask != "":
		return "all answered; the answers are not compared"
	}
	return "all as sent"
}

// generator says how much the generator had to do.
func generator(r *load.Report) string {
	s := "used an unknown part of its processors"
	if r.CPU > 0 {
		s = fmt.Sprintf("used %.0f%% of its processors", 100*r.CPU)
	}
	if r.Rate > 0 {
		s += fmt.Sprintf(", sent 99%% at most %s late", micros(r.LateP99))
	}
	if r.Limit != "" {
		s += "\n           WAS THE LIMIT: " + r.Limit
	}
	return s
}
