//go:build !man

// Command parley talks over TCP in messages: see parley help.
package main

import (
	"context"
	"os"

	"github.com/parley-net/parley/cmd/parley/internal/service"
)

//go:generate go run -tags man . ../../dist/man

func main() {
	ctx, interrupt := context.WithCancel(context.Background())
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	a.Managed.Manager = service.FromEnvironment()
	a.HandleSignals(interrupt)
	a.Signals.Exit(execute(ctx, a, os.Args[1:]))
}
