package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/program"
	"github.com/parley-net/parley/cmd/parley/internal/service"
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
	for _, f := range commands {
		root.AddCommand(a.checked(f(a)))
	}
	root.AddCommand(topics()...)
	return root
}

// checked shows how to call the command when the number of arguments is wrong,
// and notes when it begins: in it and all its subcommands.
func (a *app) checked(cmd *cobra.Command) *cobra.Command {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usagef("%w\n  usage: %s", err, cmd.UseLine())
			}
			return nil
		}
	}
	if runE := cmd.RunE; runE != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.running = true
			return runE(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.checked(sub)
	}
	return cmd
}

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(stdin, stdout, stderr).run(ctx, args)
}

// newApp returns the command with its streams.
func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, stdout: stdout, stderr: stderr, family: new(program.Family), signals: new(signals), queued: new(queued),
		managed: &managed{manager: new(service.Manager)}}
}

// run runs the command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(a.stdout, helpText("welcome"))
		return exitOK
	}
	stderr := a.stderr
	root := rootCmd(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	a.leaveQueues()
	flushLog(a.log)
	if a.signals.isPiped(err) {
		return exitPipe
	}
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "parley: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "parley: %s\n", visible(bare(err).Error()))
	if !a.running {
		return exitUsage // cobra's errors have no types
	}
	return exitCode(err)
}
