// Package chat is the room of parley chat, full-screen or plain, and of how each wire
// says who speaks; internal/chat is the screen's model.
package chat

import (
	"context"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/chat"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// chatOptions are the flags of chat.
type chatOptions struct {
	name      string
	plain     bool
	reconnect bool
	preamble  []string
	wait      time.Duration
	hold      bool
	out       output.Flags
}

func Command(a *app.App) *cobra.Command {
	var o chatOptions
	cmd := &cobra.Command{
		Use:   "chat URL",
		Short: "Talk to other people, on the whole screen",
		Long: `Talks to others through a server that sends what one says to all the others:
parley serve --relay, or the chat and broadcast servers among the samples of
tinyproto, serpy and serpy2. Their chat clients understand each other and this.

The screen shows the messages, who has been seen since the connection was made,
and the state of the connection. Lines that begin with a / are commands:

  ` + strings.ReplaceAll(chat.HelpText, "\n", "\n  ") + `

Page Up and Page Down scroll, Ctrl-D leaves, Ctrl-C too, with exit code 130.

When the connection is lost it is made again, after 0.5 to 30 seconds; what was
typed meanwhile is sent then. The first one must succeed.

Without a terminal, or with --plain, each line of standard input is what would
be typed, and each message is a line of standard output; the further lines of a
message that has several are indented. --json and the flags behind it, which say
how messages are printed, mean lines too: --json, --hex, --raw, --translate and
--dump take a message as it came. At the end of standard input it goes on reading
until nothing has come for --wait.

On serpy, what has no mode in the URL is sent in mode 2, which the sample server
relays unharmed, and the encoding is utf-8.`,
		Example: `  parley serve tinyproto://:8088 --relay
  parley chat tinyproto://localhost:8088 --name ann
  echo 'build done' | parley chat serpy2://localhost:8000 --name builder --wait 0s`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fault.Usagef("%q is one argument too many", rest[0])
			}
			return runChat(cmd.Context(), a, e, o)
		},
		ValidArgsFunction: a.CompleteURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.name, "name", "", "your `NAME` (default: that of the user)")
	f.BoolVar(&o.plain, "plain", false, "lines instead of a screen")
	f.BoolVar(&o.reconnect, "reconnect", true, "connect again when the connection is lost (default); --reconnect=false leaves")
	f.Lookup("reconnect").DefValue = "false"
	f.StringArrayVar(&o.preamble, "preamble", nil, "send `MSG` first, after each connect")
	f.DurationVarP(&o.wait, "wait", "w", 2*time.Second, "without a terminal, behind the end of standard input: end when nothing has come for `TIME`")
	f.BoolVar(&o.hold, "hold", false, "there: stay until the server ends")
	o.out.Add(cmd)
	a.DialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hold", "wait")
	return cmd
}

// runChat runs chat.
func runChat(ctx context.Context, a *app.App, e endpoint.Endpoint, o chatOptions) error {
	if o.name == "" {
		o.name = userName()
	}
	if err := chat.CheckName(o.name); err != nil {
		return fault.Usagef("--name %s: %w", o.name, err)
	}
	if o.wait < 0 {
		return fault.Usagef("--wait can't be negative")
	}
	if e.Protocol.Traits().Lockstep {
		return fault.Usagef("there is no chat on %s: its server talks to one client at a time and never speaks first; use parley connect", e.Protocol.Name())
	}
	d := newDialect(&e)
	if o.plain || o.out.Given() || terminal.IsDumb() || !terminal.IsTerminal(a.Stdin) || !terminal.IsTerminal(a.Stdout) {
		return chatPlain(ctx, a, e, o, d)
	}
	return chatScreen(ctx, a, e, o, d)
}

// userName returns the name of the user of this computer.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return "nobody"
	}
	name := u.Username[strings.LastIndexByte(u.Username, '\\')+1:] // Windows: DOMAIN\user
	if chat.CheckName(name) != nil {
		return "nobody"
	}
	return name
}

// enterChat connects. With o.reconnect what it returns connects again when the
// connection is lost, and onState is called for all that comes behind the first
// connection.
func enterChat(ctx context.Context, a *app.App, e endpoint.Endpoint, o chatOptions, onState func(parley.State, error)) (talk.Speaker, *parley.Conn, error) {
	client := a.Client(e)
	if err := a.Configure(&client.Dialer, e); err != nil {
		return nil, nil, err
	}
	if err := talk.SayFirst(&client.Dialer, o.preamble, "text"); err != nil {
		return nil, nil, err
	}
	if t := &client.Dialer.Timeouts; t.Answer == 0 && e.Protocol.Name() == "tinyproto" {
		// When both speak at the same moment, an original is out of step for
		// good. This is how long it takes to notice and to connect again.
		t.Answer = 5 * time.Second
	}
	if !o.reconnect {
		conn, err := a.Dial(ctx, e, &client.Dialer)
		return conn, conn, err
	}
	first := make(chan error, 1)
	var report func(parley.State, error) // of what comes behind the first attempt
	client.OnState = func(s parley.State, err error) {
		switch {
		case report != nil:
			report(s, err)
		case s == parley.StateConnected:
			report = onState
			first <- nil
		case s == parley.StateWaiting:
			report = func(parley.State, error) {}
			first <- err
		}
	}
	a.Queued.Add(&client.Dialer, e)
	client.Start()
	select {
	case err := <-first:
		if err == nil {
			return client, nil, nil
		}
	case <-ctx.Done():
	}
	client.Close()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	// Once more, to find out why it does not work.
	conn, err := a.Dial(ctx, e, &client.Dialer)
	if err == nil {
		conn.CloseNow()
		err = &fault.Error{Code: fault.Connect, Err: fmt.Errorf("connecting to %s failed at first", e), Hint: "now it works: try again"}
	}
	return nil, nil, err
}
