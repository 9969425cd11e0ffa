package app

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// limitFlags bound what a peer may use.
type limitFlags struct {
	MaxMessage, maxOutput    Size
	idle, halfClose          time.Duration
	MaxConns, MaxConnsOfAddr int
	Drain                    time.Duration
	Fine                     fineFlags
}

// ConnLimitFlags adds the flags that bound a connection.
func (a *App) ConnLimitFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	if f.Lookup("max-message") != nil {
		return // a command that connects and listens
	}
	f.Var(&a.Limits.MaxMessage, "max-message", "largest message taken, `SIZE` in bytes or like 64K, 1.5M, 2G (default 64M)")
	f.Var(&a.Limits.maxOutput, "max-output", "most output that waits for a slow peer, `SIZE` (default 8M)")
	f.Var(&a.Memory.Most, "max-memory", "most that messages and output of all connections hold together, `SIZE` (default 256M)")
	f.DurationVar(&a.Limits.idle, "idle", 0, "end connections without traffic for `TIME` (default never)")
	a.Limits.Fine.add(f)
}

// ServerLimitFlags adds the flags that bound a server.
func (a *App) ServerLimitFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&a.Limits.MaxConns, "max-conns", 0, "at most `N` connections on each URL (default 10000; oneline serves 1)")
	f.IntVar(&a.Limits.MaxConnsOfAddr, "max-conns-per-addr", 256, "at most `N` of them from one address")
	f.DurationVar(&a.Limits.halfClose, "half-close", 30*time.Second, "answer a client that has ended its stream for at most `TIME` more")
	f.Var(&a.Limits.Fine.WhenFull, "when-full", "`WHAT` a client meets that finds no place: refuse or wait (default refuse)")
	cmd.RegisterFlagCompletionFunc("when-full", cobra.FixedCompletions([]string{"refuse", "wait"}, cobra.ShellCompDirectiveNoFileComp))
	f.DurationVar(&a.Limits.Drain, "drain", 10*time.Second, "wait at most `TIME` at the end for what is under way")
}

// Conn returns the limits of a connection.
func (f *limitFlags) Conn() parley.Limits {
	l := f.Fine.limits
	l.MaxMessage, l.MaxOutput = int64(f.MaxMessage), int(min(f.maxOutput, math.MaxInt32))
	l.MaxStream, l.MaxInput = int64(f.Fine.maxStream), int(min(f.Fine.maxInput, math.MaxInt32))
	return l
}

// CheckConns refuses a --max-conns above what the wire serves at a time.
func (f *limitFlags) CheckConns(e endpoint.Endpoint) error {
	if n := e.Protocol.Traits().Clients; n > 0 && f.MaxConns > n {
		return fault.Usagef("--max-conns %d: %s serves %s at a time, the others wait; leave it out", f.MaxConns, e, ClientCount(n))
	}
	return nil
}

func ClientCount(n int) string {
	if n == 1 {
		return "one client"
	}
	return wording.Plural(n, "client")
}

// Serving returns the timeouts of a server: what is not set is patient.
func (a *App) Serving() parley.Timeouts {
	t := a.Timeout
	return a.Limits.Fine.over(parley.Timeouts{Dial: t, Handshake: t, Answer: t, Write: t, Close: t, Linger: min(t, time.Second), Idle: a.Limits.idle, HalfClose: a.Limits.halfClose})
}

// dialing returns the timeouts of a connection that the command has made: what moves
// may be as slow as it likes, but each wait in which nothing does is bounded.
func (a *App) dialing() parley.Timeouts {
	t := a.Serving()
	still := a.AnswerTimeout()
	t.Write, t.Stall = cmp.Or(t.Write, still), cmp.Or(t.Stall, still)
	if t.Progress == 0 && a.Limits.Fine.limits.MinRate == 0 {
		t.Progress = -1
	}
	return t
}

// Size is a number of bytes as a flag: 4096, 64K, 1.5MiB, 2G.
type Size int64

// Set reads the flag.
func (s *Size) Set(text string) error {
	number, unit := text, ""
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i >= 0 {
		number, unit = text[:i], strings.ToUpper(strings.TrimSpace(text[i:]))
	}
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
	shift := strings.Index("KMGT", unit)
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || shift < 0 || len(unit) > 1 {
		return fmt.Errorf("%q is no size: write bytes, or 64K, 1.5M, 2G", text)
	}
	if unit != "" {
		n *= math.Pow(1024, float64(shift+1))
	}
	if n < 1 || n > 1<<62 {
		return fmt.Errorf("%s is no possible size", text)
	}
	*s = Size(n)
	return nil
}

// String prints the size as Set reads it.
func (s *Size) String() string {
	n, unit := int64(*s), ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if n < 1024 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	if n == 0 {
		return "" // so that the help shows no default
	}
	return strconv.FormatInt(n, 10) + unit
}

// Type names the flag's value in the help.
func (s *Size) Type() string { return "size" }
