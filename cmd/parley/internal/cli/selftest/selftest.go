// Package selftest is the room of parley selftest; internal/selftest does it.
package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/selftest"
)

func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Measure what parley promises, on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fault.Usagef("what is to be measured: cluster")
		},
	}
	cmd.AddCommand(selftestClusterCmd(a))
	return cmd
}

func selftestClusterCmd(a *app.App) *cobra.Command {
	var o selftest.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Measure the promises of servers that are joined: kills, pauses, a hub that restarts",
		Long: `Starts servers and bridges of this parley as a hub and one that joins it, then as
a cluster of three with a device that one of them has, on loopback ports that the system
chooses. It kills them (SIGKILL), stops them (SIGSTOP) and starts them again, and prints
each promise of docs/beyond.md that can be measured so, with what was measured. It takes
two minutes, and 25 s more for each of --kills.

The exit code is 1 if a promise was not kept. The times are those of a calm machine: one
that is busy with other things misses some, which is told with what was measured.`,
		Example: "  parley selftest cluster\n  parley selftest cluster --kills 50 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Kills < 0 || o.Pause < 0 {
				return fault.Usagef("--kills and --pause: want 0 or more")
			}
			return selftestCluster(cmd.Context(), a, o, asJSON)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&o.Kills, "kills", 2, "kill the owner `N` times, and others twice as often; 0: no kills and no pause, ten seconds")
	f.DurationVar(&o.Pause, "pause", 5*time.Second, "the hub is away for so long, `TIME`")
	f.BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func selftestCluster(ctx context.Context, a *app.App, o selftest.Options, asJSON bool) (err error) {
	if !join.HasBus {
		return fault.Usagef("this parley was built without a bus (-tags nobus)")
	}
	if o.Command, err = os.Executable(); err != nil {
		return err
	}
	o.Tell = func(r selftest.Result) {
		if asJSON {
			json.NewEncoder(a.Stdout).Encode(r)
			return
		}
		mark := "ok    "
		if !r.Kept {
			mark = "MISSED"
		}
		fmt.Fprintf(a.Stdout, "%s  %s: %s (promised: %s)\n", mark, r.Promise, r.Measured, r.Bound)
	}
	broken, err := selftest.Run(ctx, o)
	if err == nil && broken > 0 {
		err = &fault.Error{Code: fault.Fail, Err: fmt.Errorf("%d promises were not kept", broken), Hint: "times are missed too where the machine is busy with other things"}
	}
	return err
}
