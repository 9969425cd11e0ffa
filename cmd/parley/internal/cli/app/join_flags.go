package app

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// busFlags say over what servers are joined.
type busFlags struct {
	Hub, Join  string
	Cluster    []string
	Replicas   int
	URL, Creds string
	Dir        string
	SecretFile string
	Node       string
	Namespace  string
}

// BusFlags adds the flags of a command that is a node.
func (a *App) BusFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.Bus.Hub, "hub", "", "others may join here: `[HOST]:PORT`, TLS with the secret of --bus-dir or --secret-file")
	f.StringSliceVar(&a.Bus.Cluster, "cluster", nil, "be one of `HOST:PORT,…` that keep everything together, this one first")
	f.IntVar(&a.Bus.Replicas, "replicas", 0, "with --cluster or --bus: `N` of them keep each thing (default 1, with --cluster 3)")
	f.StringVar(&a.Bus.Node, "node", "", "the `NAME` by which others know this process (default the host's and four digits)")
	a.JoinFlags(cmd)
}

// JoinFlags adds the flags of whatever reaches other nodes.
func (a *App) JoinFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.Bus.Join, "join", "", "join the hub at `tls://HOST:PORT`")
	f.StringVar(&a.Bus.SecretFile, "secret-file", "", "what all have in common: 64 hexadecimal characters in `FILE`, a copy of the hub's")
	f.StringVar(&a.Bus.Dir, "bus-dir", "", "keep what the bus keeps, and its secret, in `DIR`")
	f.StringVar(&a.Bus.URL, "bus", "", "use the NATS at `nats://HOST:PORT`, with JetStream")
	f.StringVar(&a.Bus.Creds, "creds", "", "with --bus: the user's credentials in `FILE`")
	f.StringVar(&a.Bus.Namespace, "namespace", "", "meet only those of the same `NAME` on one bus")
}

// Any reports whether the process is to be joined with others.
func (b *busFlags) Any() bool {
	return b.Hub != "" || b.Join != "" || len(b.Cluster) > 0 || b.URL != ""
}

// Check refuses flags that make no sense together.
func (b *busFlags) Check() error {
	n := 0
	for _, set := range []bool{b.Hub != "" && len(b.Cluster) == 0, b.Join != "", len(b.Cluster) > 0, b.URL != ""} {
		if set {
			n++
		}
	}
	switch {
	case n > 1:
		return fault.Usagef("--hub, --join, --cluster and --bus are different ways to be joined: use one (a --cluster may have --hub too)")
	case b.Creds != "" && b.URL == "":
		return fault.Usagef("--creds is for --bus")
	case b.Creds != "" && !canRead(b.Creds):
		return fault.Usagef("--creds: %s is not there, or is no file that may be read", b.Creds)
	case !isNATS(b.URL):
		return fault.Usagef("--bus %s: want nats://HOST:PORT, or tls://HOST:PORT", b.URL)
	case b.SecretFile != "" && b.URL != "":
		return fault.Usagef("--secret-file is for --hub, --join and --cluster: --bus has --creds")
	case b.Replicas != 0 && b.URL == "" && len(b.Cluster) == 0:
		return fault.Usagef("--replicas is for --cluster and --bus: a hub and those who join it keep one of each thing")
	case b.Replicas < 0 || b.Replicas > 5 || b.Replicas != 0 && b.Replicas%2 == 0:
		return fault.Usagef("--replicas %d: want 1, 3 or 5: most of them must be there, so 2 outlive no more than 1", b.Replicas)
	case !b.Any() && (b.SecretFile != "" || b.Node != ""):
		return fault.Usagef("--secret-file and --node are for --hub, --join, --cluster and --bus")
	case (b.Hub != "" || len(b.Cluster) > 0) && b.Dir == "" && b.SecretFile == "":
		return fault.Usagef("--bus-dir DIR is missing: where the hub keeps its secret and what it keeps for others")
	}
	return nil
}

func canRead(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && !info.IsDir()
}

// isNATS reports whether each of the places, by commas, is one where NATS can be.
func isNATS(places string) bool {
	for at := range strings.SplitSeq(places, ",") {
		if scheme, _, has := strings.Cut(at, "://"); has && !slices.Contains([]string{"nats", "tls", "ws", "wss"}, strings.TrimSpace(scheme)) {
			return false
		}
	}
	return true
}

// Named refuses a name that was given and is empty, as by a variable of a shell that is not set.
func Named(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return fault.Usagef("--%s: the name is empty", name)
		}
	}
	return nil
}
