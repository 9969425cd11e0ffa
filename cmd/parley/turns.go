package main

import (
	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/tinyproto"
)

// aheadFlag adds the flag of commands that take turns with a tinyproto peer.
func aheadFlag(cmd *cobra.Command, ahead *bool) {
	cmd.Flags().BoolVar(ahead, "ahead", false, "tinyproto: do not take turns: quicker, but an original peer does not survive it")
}

// takeTurns makes those of the endpoints that are tinyproto take turns, unless
// ahead is set or the URL says something else. A peer may be an original.
func takeTurns(ahead bool, es ...*endpoint.Endpoint) error {
	found := false
	for _, e := range es {
		p, ok := e.Protocol.(tinyproto.Protocol)
		if !ok {
			continue
		}
		found = true
		switch {
		case ahead && p.Turns:
			return usagef("--ahead and ?turns=on contradict each other: leave one of them out")
		case !ahead && !e.Has("turns"):
			p.Turns = true
			e.Protocol = p
		}
	}
	if ahead && !found {
		return usagef("--ahead is for tinyproto: other peers survive that messages cross")
	}
	return nil
}
