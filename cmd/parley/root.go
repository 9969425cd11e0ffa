package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// commands makes every command. To add one, write a function like these in a
// file of its own and name it here.
var commands = []func(*app) *cobra.Command{
	askCmd,
	doctorCmd,
	sendCmd,
	connectCmd,
	chatCmd,
	putCmd,
	getCmd,
	lsCmd,
	serveCmd,
	tapCmd,
	replayCmd,
	recordCmd,
	findCmd,
	importCmd,
	exportCmd,
	verifyCmd,
	bridgeCmd,
	topCmd,
	webCmd,
	nodesCmd,
	roomsCmd,
	whoCmd,
	killCmd,
	selftestCmd,
	benchCmd,
	imageCmd,
	certCmd,
	profileCmd,
	cheatCmd,
	demoCmd,
	func(*app) *cobra.Command { return versionCmd() },
}

// rootCmd returns the whole command.
func rootCmd(a *app) *cobra.Command {
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
			return a.setup(cmd)
		},
	}
	root.SetVersionTemplate("parley {{.Version}}\n")
	a.globalFlags(root)
	root.SetFlagErrorFunc(flagError)
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
func checked(a *app, cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = nil // completion has its own words
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noSuchCommand(cmd, args[0])
			}
			return cmd.Help()
		}
	}
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error { return argsError(cmd, args, given) }
	}
	if runE := cmd.RunE; runE != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.running = true
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
func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return makeApp(version(), stdin, stdout, stderr)
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, a *app, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(a.stdout, helpText("welcome"))
		return exitOK
	}
	root := rootCmd(a)
	a.divert(a.errs, 0)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.errs)
	err := root.ExecuteContext(ctx)
	a.leaveQueues()
	flushLog(a.log)
	if a.signals.isPiped(err) {
		return exitPipe
	}
	if err == nil {
		return exitOK
	}
	if !a.running {
		if wantsJSON(args) {
			a.logForm = logJSON
		}
		err = asUsage(commandError(root, err)) // cobra's errors have no types
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	a.complain(err)
	return exitCode(err)
}
