package main

import (
	"os"

	"github.com/spf13/cobra"
)

// busFlags say over what servers are joined.
type busFlags struct {
	hub, join  string
	cluster    []string
	replicas   int
	url, creds string
	dir        string
	secretFile string
	node       string
	namespace  string
}

// busFlags adds the flags of a command that is a node.
func (a *app) busFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.bus.hub, "hub", "", "others may join here: `[HOST]:PORT`, TLS with the secret of --bus-dir or --secret-file")
	f.StringSliceVar(&a.bus.cluster, "cluster", nil, "be one of `HOST:PORT,…` that keep everything together, this one first")
	f.IntVar(&a.bus.replicas, "replicas", 0, "with --cluster or --bus: `N` of them keep each thing (default 1, with --cluster 3)")
	f.StringVar(&a.bus.node, "node", "", "the `NAME` by which others know this process (default the host's and four digits)")
	a.joinFlags(cmd)
}

// joinFlags adds the flags of whatever reaches other nodes.
func (a *app) joinFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.bus.join, "join", "", "join the hub at `tls://HOST:PORT`")
	f.StringVar(&a.bus.secretFile, "secret-file", "", "what all have in common: 64 hexadecimal characters in `FILE`, a copy of the hub's")
	f.StringVar(&a.bus.dir, "bus-dir", "", "keep what the bus keeps, and its secret, in `DIR`")
	f.StringVar(&a.bus.url, "bus", "", "use the NATS at `nats://HOST:PORT`, with JetStream")
	f.StringVar(&a.bus.creds, "creds", "", "with --bus: the user's credentials in `FILE`")
	f.StringVar(&a.bus.namespace, "namespace", "", "meet only those of the same `NAME` on one bus")
}

// any reports whether the process is to be joined with others.
func (b *busFlags) any() bool {
	return b.hub != "" || b.join != "" || len(b.cluster) > 0 || b.url != ""
}

// check refuses flags that make no sense together.
func (b *busFlags) check() error {
	n := 0
	for _, set := range []bool{b.hub != "" && len(b.cluster) == 0, b.join != "", len(b.cluster) > 0, b.url != ""} {
		if set {
			n++
		}
	}
	switch {
	case n > 1:
		return usagef("--hub, --join, --cluster and --bus are different ways to be joined: use one (a --cluster may have --hub too)")
	case b.creds != "" && b.url == "":
		return usagef("--creds is for --bus")
	case b.creds != "" && !canRead(b.creds):
		return usagef("--creds: %s is not there, or may not be read", b.creds)
	case b.secretFile != "" && b.url != "":
		return usagef("--secret-file is for --hub, --join and --cluster: --bus has --creds")
	case b.replicas != 0 && b.url == "" && len(b.cluster) == 0:
		return usagef("--replicas is for --cluster and --bus: a hub and those who join it keep one of each thing")
	case b.replicas < 0 || b.replicas > 5 || b.replicas != 0 && b.replicas%2 == 0:
		return usagef("--replicas %d: want 1, 3 or 5: most of them must be there, so 2 outlive no more than 1", b.replicas)
	case !b.any() && (b.secretFile != "" || b.node != ""):
		return usagef("--secret-file and --node are for --hub, --join, --cluster and --bus")
	case (b.hub != "" || len(b.cluster) > 0) && b.dir == "" && b.secretFile == "":
		return usagef("--bus-dir DIR is missing: where the hub keeps its secret and what it keeps for others")
	}
	return nil
}

func canRead(file string) bool {
	f, err := os.Open(file)
	if err == nil {
		f.Close()
	}
	return err == nil
}
