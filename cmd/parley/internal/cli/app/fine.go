package app

import (
	"cmp"
	"fmt"
	"reflect"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-net/parley"
)

// fineFlags are the bounds that few people set: every field of parley.Limits and
// Timeouts, and of Server what is one, has a flag, here or in limitFlags. Zero leaves
// a field to the package, below zero there is no bound. They are left out of the help
// of commands; "parley help limits" has them.
type fineFlags struct {
	limits              parley.Limits // as far as its fields need no size
	maxStream, maxInput Size
	timeouts            parley.Timeouts
	WhenFull            whenFull
}

// add adds those of a connection.
func (b *fineFlags) add(f *pflag.FlagSet) {
	f.Var(&b.maxStream, "max-stream", "largest message taken as a stream, `SIZE` (default what the protocol allows)")
	f.Var(&b.maxInput, "max-input", "most that received messages hold that wait, `SIZE` (default 8M)")
	f.IntVar(&b.limits.MaxQueue, "max-queue", 0, "at most `N` received messages wait (default 1024)")
	f.IntVar(&b.limits.MinRate, "min-rate", 0, "least speed inside a message, `N` bytes a second over --progress-timeout (default 1024, patient)")
	t := &b.timeouts
	for _, d := range []struct {
		to          *time.Duration
		name, usage string
	}{
		{&t.Dial, "dial-timeout", "connect within `TIME` (default --timeout, 5s)"},
		{&t.Handshake, "handshake-timeout", "TLS and greeting within `TIME` (default --timeout, 5s)"},
		{&t.Answer, "answer-timeout", "what the protocol owes is answered within `TIME` (default --timeout, 30s)"},
		{&t.Turn, "turn-timeout", "the silence that ends the peer's turn, `TIME` (default 50ms)"},
		{&t.Write, "write-timeout", "the peer takes something within `TIME` (default --timeout, 10s and patient)"},
		{&t.Progress, "progress-timeout", "over how much `TIME` --min-rate is measured (default 30s, patient)"},
		{&t.Stall, "stall-timeout", "something moves within `TIME`, where something is under way (default none; --timeout where one connects)"},
		{&t.Close, "close-timeout", "leave within `TIME` (default --timeout, 5s)"},
		{&t.Settle, "settle-timeout", "wait for `TIME` behind a last message that is not answered (default 1s)"},
		{&t.Linger, "linger-timeout", "wait for `TIME` for the peer's own end (default 1s)"},
		{&t.KeepAlive, "keep-alive", "have the kernel ask a silent peer after `TIME`, five times as long until it is given up (default 15s)"},
	} {
		f.DurationVar(d.to, d.name, 0, d.usage)
	}
	for _, name := range fineNames {
		f.Lookup(name).Hidden = true
	}
}

// fineNames are the flags that add adds.
var fineNames = []string{"max-stream", "max-input", "max-queue", "min-rate", "dial-timeout", "handshake-timeout", "answer-timeout", "turn-timeout",
	"write-timeout", "progress-timeout", "stall-timeout", "close-timeout", "settle-timeout", "linger-timeout", "keep-alive"}

// over returns t with what the flags have set.
func (b *fineFlags) over(t parley.Timeouts) parley.Timeouts {
	own, all := reflect.ValueOf(b.timeouts), reflect.ValueOf(&t).Elem()
	for i := range own.NumField() {
		all.Field(i).SetInt(cmp.Or(own.Field(i).Int(), all.Field(i).Int()))
	}
	return t
}

// whenFull is a parley.FullPolicy as a flag.
type whenFull parley.FullPolicy

// Set reads the flag.
func (w *whenFull) Set(text string) error {
	switch text {
	case "refuse":
		*w = whenFull(parley.FullRefuse)
	case "wait":
		*w = whenFull(parley.FullWait)
	default:
		return fmt.Errorf("%q: want refuse or wait", text)
	}
	return nil
}

// String is the flag's value; the default is none, so that the help has it once.
func (w *whenFull) String() string {
	if *w == whenFull(parley.FullWait) {
		return "wait"
	}
	return ""
}

// Type names the flag's value.
func (w *whenFull) Type() string { return "string" }
