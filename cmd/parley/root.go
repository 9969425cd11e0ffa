package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// The exit codes; docs/exit-codes.md explains them.
const (
	exitOK    = 0
	exitFail  = 1 // an error reply, a failed check, any other error
	exitUsage = 2
)

// usageError marks a mistake on the command line.
type usageError struct{ error }

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "parley",
		Short:         "Talk over TCP in messages: oneline, tinyproto, serpy and serpy2",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(demoCmd(), versionCmd())
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "parley: %v\n", err)
	if errors.As(err, &usageError{}) {
		return exitUsage
	}
	return exitFail
}
