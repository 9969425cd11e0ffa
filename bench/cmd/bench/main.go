// Command bench builds and runs everything that parley's speed is compared
// with, over loopback on this machine, and prints one table. README.md says how
// to read it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

type options struct {
	quick   bool
	only    string
	cells   cellList
	rounds  int
	seconds float64
	calm    float64
	tries   int
	nice    int
	out     string
	doc     string
	keep    string
	sets    []string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "fewer cells and servers, one round: about two minutes")
	flag.StringVar(&o.only, "only", "", "comma-separated parts of server names, besides the floor: \"parley oneline,go-batch\"")
	flag.Var(&o.cells, "cell", "connections,depth,payload bytes, instead of the usual cells; may be repeated")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement (default 3, and 2 in the cells that few servers meet; with -quick 1)")
	flag.Float64Var(&o.seconds, "seconds", 0, "measured time of a round in seconds (default 0.4)")
	flag.Float64Var(&o.calm, "calm", 0.12, "cores that other processes may use before a measurement is tried again")
	flag.IntVar(&o.tries, "tries", 0, "how often a disturbed measurement is tried (default 2)")
	flag.IntVar(&o.nice, "nice", 0, "niceness of the measured processes; below 0, for a machine that has other work, it needs privileges")
	flag.StringVar(&o.out, "out", "", "append every single result to this file, as JSON lines")
	flag.StringVar(&o.doc, "doc", "", "write tables and plots into this Markdown document, between its markers")
	flag.StringVar(&o.keep, "build", "", "keep what is built in this folder (default: a temporary one)")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: bench [flags] [%s]\n", strings.Join(setNames(), "] ["))
		flag.PrintDefaults()
	}
	flag.Parse()
	o.sets = flag.Args()
	o.defaults()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o *options) defaults() {
	if o.rounds == 0 {
		o.rounds = 3
		if o.quick {
			o.rounds = 1
		}
	}
	if o.tries == 0 {
		o.tries = 2
	}
	if o.seconds == 0 {
		o.seconds = 0.4
	}
	if len(o.sets) == 0 {
		o.sets = setNames()
	}
}

func bench(ctx context.Context, o options) error {
	sets, err := chosen(o)
	if err != nil {
		return err
	}
	raiseFileLimit()
	b, err := newBuilt(ctx, o.keep)
	if err != nil {
		return err
	}
	defer b.remove()
	r := &runner{options: o, built: b, log: os.Stderr}
	if err := b.build(ctx, r.needed(sets)); err != nil {
		return err
	}
	began := time.Now()
	if o.out != "" {
		f, err := os.OpenFile(o.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		r.out = f
	}
	for _, s := range sets {
		if err := r.run(ctx, s); err != nil {
			return err
		}
	}
	d := document{rows: r.rows, missing: r.missing(sets), took: time.Since(began), rounds: o.rounds, seconds: o.seconds, calm: o.calm}
	d.print(os.Stdout)
	if o.doc != "" {
		if err := d.write(o.doc); err != nil {
			return err
		}
	}
	return r.failures()
}

func raiseFileLimit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
}
