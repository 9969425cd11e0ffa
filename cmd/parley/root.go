package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/ask"
	"github.com/parley-net/parley/cmd/parley/internal/cli/bench"
	"github.com/parley-net/parley/cmd/parley/internal/cli/bridge"
	"github.com/parley-net/parley/cmd/parley/internal/cli/cert"
	"github.com/parley-net/parley/cmd/parley/internal/cli/chat"
	"github.com/parley-net/parley/cmd/parley/internal/cli/connect"
	"github.com/parley-net/parley/cmd/parley/internal/cli/demo"
	"github.com/parley-net/parley/cmd/parley/internal/cli/doctor"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/files"
	"github.com/parley-net/parley/cmd/parley/internal/cli/image"
	"github.com/parley-net/parley/cmd/parley/internal/cli/keep"
	"github.com/parley-net/parley/cmd/parley/internal/cli/nodes"
	"github.com/parley-net/parley/cmd/parley/internal/cli/profile"
	"github.com/parley-net/parley/cmd/parley/internal/cli/replay"
	"github.com/parley-net/parley/cmd/parley/internal/cli/selftest"
	"github.com/parley-net/parley/cmd/parley/internal/cli/send"
	"github.com/parley-net/parley/cmd/parley/internal/cli/serve"
	"github.com/parley-net/parley/cmd/parley/internal/cli/tap"
	"github.com/parley-net/parley/cmd/parley/internal/cli/top"
	"github.com/parley-net/parley/cmd/parley/internal/cli/web"
	"github.com/spf13/cobra"
)

// commands makes every command. To add one, write a function like these in a
// file of its own and name it here.
var commands = []func(*app.App) *cobra.Command{
	ask.Command,
	doctor.Command,
	send.Command,
	connect.Command,
	chat.Command,
	files.PutCommand,
	files.GetCommand,
	files.LsCommand,
	serve.Command,
	tap.Command,
	replay.Command,
	keep.RecordCommand,
	keep.FindCommand,
	keep.ImportCommand,
	keep.ExportCommand,
	keep.VerifyCommand,
	bridge.Command,
	top.Command,
	web.Command,
	nodes.Command,
	nodes.RoomsCommand,
	nodes.WhoCommand,
	nodes.KillCommand,
	selftest.Command,
	bench.Command,
	image.Command,
	cert.Command,
	profile.Command,
	cheatCmd,
	demo.Command,
	func(*app.App) *cobra.Command { return versionCmd() },
}

// rootCmd returns the whole command.
func rootCmd(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "parley",
		Short: "Talk over TCP in messages, with Python programs and with instruments",
		Long: `parley talks over TCP in messages: with programs that use the Python packages
socket-oneline, tinyproto, serpy and serpy2, and with instruments and other
devices, in lines or in frames.

  parley serve oneline://:5001 --echo        a server
  parley send oneline://localhost:5001 hi    a client
  parley ask scpi://scope '*IDN?'            an instrument

"parley cheat" shows an example of everything.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.Setup(cmd)
		},
	}
	root.SetVersionTemplate("parley {{.Version}}\n")
	a.GlobalFlags(root)
	root.SetFlagErrorFunc(fault.FlagError)
	for _, f := range commands {
		root.AddCommand(f(a))
	}
	root.InitDefaultCompletionCmd("completion") // or it would be added behind this
	for _, cmd := range root.Commands() {
		checked(a, cmd)
	}
	root.AddCommand(topics()...)
	root.SetHelpCommand(helpCmd(root))
	return root
}

// checked says in our own words when the arguments are too few or too many, and
// notes when the command begins: in it and all its subcommands. A command that has
// only subcommands says which it has.
func checked(a *app.App, cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = nil // completion has its own words
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fault.NoSuchCommand(cmd, args[0])
			}
			return cmd.Help()
		}
	}
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error { return fault.ArgsError(cmd, args, given) }
	}
	if runE := cmd.RunE; runE != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.Running = true
			return runE(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		checked(a, sub)
	}
}

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return execute(ctx, newApp(stdin, stdout, stderr), args)
}

// newApp returns the command with its streams.
func newApp(stdin io.Reader, stdout, stderr io.Writer) *app.App {
	return app.New(version(), stdin, stdout, stderr)
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, a *app.App, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(a.Stdout, helpText("welcome"))
		return fault.OK
	}
	root := rootCmd(a)
	a.Divert(a.Errs, 0)
	root.SetArgs(args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Errs)
	err := root.ExecuteContext(ctx)
	a.LeaveQueues()
	app.FlushLog(a.Log)
	if a.Signals.IsPiped(err) {
		return app.ExitPipe
	}
	if err == nil {
		return fault.OK
	}
	if !a.Running {
		if app.WantsJSON(args) {
			a.LogForm = app.LogJSON
		}
		err = fault.AsUsage(fault.CommandError(root, err)) // cobra's errors have no types
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fault.ErrInterrupted
	}
	a.Complain(err)
	return fault.Code(err)
}
