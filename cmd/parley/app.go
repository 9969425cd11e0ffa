package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
	"github.com/parley-net/parley/cmd/parley/internal/program"
	"github.com/parley-net/parley/cmd/parley/internal/service"
)

// app is what all commands share: the streams, and the flags that mean the
// same everywhere.
type app struct {
	stdin  io.Reader
	stdout io.Writer // payload only
	stderr io.Writer // notes for a person
	loud   io.Writer // notes that -q does not keep back: they were asked for
	trail  io.Writer // --trace
	errs   io.Writer // standard error itself; see divert

	log *slog.Logger // to errs: warnings, and more with -v

	running bool // the command has begun; an error before that is one of usage
	verbose int
	quiet   bool
	logForm logForm
	trace   bool
	timeout time.Duration

	config     string
	profile    string
	profileURL string // from the configuration

	version string // of the command
	monitor string // where to show what servers do
	bus     busFlags

	family  *program.Family // what serve --exec has started
	signals *signals
	managed *managed
	queued  *queued

	tls    tlsFlags
	limits limitFlags
	memory *memory
}

// makeApp returns what the commands of a version share, with its streams.
func makeApp(version string, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{version: version, stdin: stdin, stdout: stdout, errs: stderr, family: new(program.Family), signals: new(signals), queued: new(queued),
		memory: new(memory), managed: &managed{manager: new(service.Manager)}}
}

// globalFlags are the flags of every command.
func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.CountVarP(&a.verbose, "verbose", "v", "``log connections to stderr; -vv: everything")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "nothing on stderr but errors")
	a.logForm = logText
	f.Var(&a.logForm, "log", "`FORM` of stderr: text, or json, an object with time, level and msg on each line")
	root.RegisterFlagCompletionFunc("log", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&a.trace, "trace", false, "log every message and byte to stderr")
	f.DurationVar(&a.timeout, "timeout", 0, "longest `WAIT` for the peer, each time (default 5s to connect and greet, 30s for an answer)")
	f.StringVarP(&a.profile, "profile", "p", os.Getenv("PARLEY_PROFILE"), "take address and flags from the profile `NAME` (PARLEY_PROFILE)")
	root.RegisterFlagCompletionFunc("profile", a.profiles)
	f.StringVar(&a.config, "config", "", "configuration `FILE` (PARLEY_CONFIG)")
}

// noConfig is the annotation of a command that the configuration does not
// apply to.
const noConfig = "parley-no-config"

// setup runs when the flags have been read, before the command.
func (a *app) setup(cmd *cobra.Command) error {
	a.divert(a.errs, 0)
	if err := cmd.ValidateFlagGroups(); err != nil {
		return groupError(err)
	}
	if err := fileFlags(cmd); err != nil {
		return err
	}
	if cmd.Annotations[noConfig] == "" {
		if err := a.applyConfig(cmd); err != nil {
			return err
		}
		if err := fileFlags(cmd); err != nil { // those of a profile
			return err
		}
	}
	if a.timeout < 0 {
		return usagef("--timeout %v: want more than 0", a.timeout)
	}
	if f := cmd.Flags().Lookup("half-close"); f != nil && a.limits.halfClose <= 0 {
		return usagef("--half-close %v: want more than 0", a.limits.halfClose)
	}
	if a.quiet && a.verbose > 0 {
		return usagef("-q and -v exclude each other: write one of them")
	}
	a.divert(a.errs, 0) // the configuration may have changed it
	return nil
}

// tracer returns the trace function that --trace asks for, or nil.
func (a *app) tracer() func(parley.Trace) {
	if !a.trace {
		return nil
	}
	return parley.TraceTo(a.trail)
}

// answerTimeout bounds the wait for something that the peer must answer.
func (a *app) answerTimeout() time.Duration {
	if a.timeout > 0 {
		return a.timeout
	}
	return 30 * time.Second
}

// moving returns a context that ends when nothing has moved on c for as long as
// something must within which the peer must answer; c may be nil, if there is none
// yet or there are several.
func (a *app) moving(ctx context.Context, c *parley.Conn) (context.Context, context.CancelFunc) {
	if c == nil {
		return context.WithTimeout(ctx, a.answerTimeout())
	}
	return moving.While(ctx, a.answerTimeout(), func() uint64 { return moving.Of(c) })
}
