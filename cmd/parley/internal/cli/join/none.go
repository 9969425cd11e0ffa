//go:build nobus

package join

import (
	"context"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// HasBus reports whether the command was built with NATS.
const HasBus = false

// OpenNATS says that this command was built without.
func OpenNATS(_ context.Context, a *app.App, _ bool) (*Link, error) {
	return nil, fault.Usagef("this parley was built without a bus (-tags nobus): --hub, --join, --cluster and --bus need one with it")
}
