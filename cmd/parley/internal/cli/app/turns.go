package app

import (
	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/tinyproto"
)

// AheadFlag adds the flag of commands that take turns with a tinyproto peer.
func AheadFlag(cmd *cobra.Command, ahead *bool) {
	cmd.Flags().BoolVar(ahead, "ahead", false, "tinyproto: do not take turns: quicker, but an original peer does not survive it")
}

// TakeTurns makes those of the endpoints that are tinyproto take turns, unless
// ahead is set or the URL says something else. A peer may be an original.
func TakeTurns(ahead bool, es ...*endpoint.Endpoint) error {
	found := false
	for _, e := range es {
		p, ok := e.Protocol.(tinyproto.Protocol)
		if !ok {
			continue
		}
		found = true
		switch {
		case ahead && p.Turns:
			return fault.Usagef("--ahead and ?turns=on contradict each other: leave one of them out")
		case !ahead && !e.Has("turns"):
			p.Turns = true
			e.Protocol = p
		}
	}
	if ahead && !found {
		return fault.Usagef("--ahead is for tinyproto: other peers survive that messages cross")
	}
	return nil
}
