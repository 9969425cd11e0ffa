//go:build nobus

package main

import (
	"context"
)

// hasBus reports whether the command was built with NATS.
const hasBus = false

// openNATS says that this command was built without.
func openNATS(_ context.Context, a *app, _ bool) (*link, error) {
	return nil, usagef("this parley was built without a bus (-tags nobus): --hub, --join, --cluster and --bus need one with it")
}
