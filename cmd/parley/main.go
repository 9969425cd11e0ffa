//go:build !man

// Command parley talks over TCP in messages: see parley help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

//go:generate go run -tags man . ../../dist/man

func main() {
	ctx, interrupt := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // a second one ends the process at once
		interrupt()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
