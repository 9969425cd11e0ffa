// Package app is what all commands share: the streams and the log, the flags that
// mean the same everywhere, configuration and profiles, limits, TLS, the way to a peer
// with errors that say what to do, signals, and the service manager. It knows no
// command. An App belongs to one run of the program; a room gets it and hands it on.
package app

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
	"github.com/parley-net/parley/cmd/parley/internal/program"
	"github.com/parley-net/parley/cmd/parley/internal/service"
)

// App is what all commands share: the streams, and the flags that mean the
// same everywhere.
type App struct {
	Stdin  io.Reader
	Stdout io.Writer // payload only
	Stderr io.Writer // notes for a person
	Loud   io.Writer // notes that -q does not keep back: they were asked for
	Trail  io.Writer // --trace
	Errs   io.Writer // standard error itself; see divert

	Log *slog.Logger // to errs: warnings, and more with -v

	Running bool // the command has begun; an error before that is one of usage
	Verbose int
	Quiet   bool
	LogForm logForm
	Trace   bool
	Timeout time.Duration

	config     string
	profile    string
	ProfileURL string // from the configuration

	Version string // of the command
	Monitor string // where to show what servers do
	Bus     busFlags

	Family  *program.Family // what serve --exec has started
	Signals *signals
	Managed *managed
	Queued  *queued

	TLS    tlsFlags
	Limits limitFlags
	Memory *memory
}

// New returns what the commands of a version share, with its streams.
func New(version string, stdin io.Reader, stdout, stderr io.Writer) *App {
	return &App{Version: version, Stdin: stdin, Stdout: stdout, Errs: stderr, Family: new(program.Family), Signals: new(signals), Queued: new(queued),
		Memory: new(memory), Managed: &managed{Manager: new(service.Manager)}}
}

// GlobalFlags are the flags of every command.
func (a *App) GlobalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.CountVarP(&a.Verbose, "verbose", "v", "``log connections to stderr; -vv: everything")
	f.BoolVarP(&a.Quiet, "quiet", "q", false, "nothing on stderr but errors")
	a.LogForm = LogText
	f.Var(&a.LogForm, "log", "`FORMAT` of stderr: text, or json, an object with time, level and msg on each line")
	root.RegisterFlagCompletionFunc("log", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&a.Trace, "trace", false, "log every message and byte to stderr")
	f.DurationVar(&a.Timeout, "timeout", 0, "longest `TIME` to wait for the peer, each time (default 5s to connect and greet, 30s for an answer)")
	f.StringVarP(&a.profile, "profile", "p", os.Getenv("PARLEY_PROFILE"), "take address and flags from the profile `NAME` (PARLEY_PROFILE)")
	root.RegisterFlagCompletionFunc("profile", a.Profiles)
	f.StringVar(&a.config, "config", "", "configuration `FILE` (PARLEY_CONFIG)")
}

// NoConfig is the annotation of a command that the configuration does not
// apply to.
const NoConfig = "parley-no-config"

// Setup runs when the flags have been read, before the command.
func (a *App) Setup(cmd *cobra.Command) error {
	a.Divert(a.Errs, 0)
	if err := cmd.ValidateFlagGroups(); err != nil {
		return fault.GroupError(err)
	}
	if err := fileFlags(cmd); err != nil {
		return err
	}
	if cmd.Annotations[NoConfig] == "" {
		if err := a.applyConfig(cmd); err != nil {
			return err
		}
		if err := fileFlags(cmd); err != nil { // those of a profile
			return err
		}
	}
	if a.Timeout < 0 {
		return fault.Usagef("--timeout %v: want more than 0", a.Timeout)
	}
	if f := cmd.Flags().Lookup("half-close"); f != nil && a.Limits.halfClose <= 0 {
		return fault.Usagef("--half-close %v: want more than 0", a.Limits.halfClose)
	}
	if a.Quiet && a.Verbose > 0 {
		return fault.Usagef("-q and -v exclude each other: write one of them")
	}
	a.Divert(a.Errs, 0) // the configuration may have changed it
	return nil
}

// Tracer returns the trace function that --trace asks for, or nil.
func (a *App) Tracer() func(parley.Trace) {
	if !a.Trace {
		return nil
	}
	return parley.TraceTo(a.Trail)
}

// AnswerTimeout bounds the wait for something that the peer must answer.
func (a *App) AnswerTimeout() time.Duration {
	if a.Timeout > 0 {
		return a.Timeout
	}
	return 30 * time.Second
}

// Moving returns a context that ends when nothing has moved on c for as long as
// something must within which the peer must answer; c may be nil, if there is none
// yet or there are several.
func (a *App) Moving(ctx context.Context, c *parley.Conn) (context.Context, context.CancelFunc) {
	if c == nil {
		return context.WithTimeout(ctx, a.AnswerTimeout())
	}
	return moving.While(ctx, a.AnswerTimeout(), func() uint64 { return moving.Of(c) })
}
