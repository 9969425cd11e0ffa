// Package exec is the mode of serve that runs a program for each connection, or one
// for all; internal/program starts and ends the processes.
package exec

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/shellwords"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
	"github.com/parley-net/parley/cmd/parley/internal/program"
)

// Options are the flags of serve --exec.
type Options struct {
	Command  string
	shared   bool
	format   string
	maxProcs int
	// maxProcsOfAddr is how many of them are for clients of one address; 0: half.
	maxProcsOfAddr int
	grace          time.Duration
	env            []string
}

func (o *Options) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.shared, "shared", false, "with --exec: one program for all connections of one URL, with --format jsonl")
	f.StringVar(&o.format, "format", "lines", "with --exec: how messages are written, `FORMAT`: lines, jsonl")
	f.IntVar(&o.maxProcs, "max-procs", 64, "with --exec: at most `N` programs at a time")
	f.IntVar(&o.maxProcsOfAddr, "max-procs-per-addr", 0, "with --exec: at most `N` of them for one address (default half of --max-procs)")
	f.DurationVar(&o.grace, "grace", 2*time.Second, "with --exec: give a program `TIME` to end by itself when its client has gone or the server ends, before SIGTERM, and at most 0.6s more before SIGKILL")
	f.StringArrayVar(&o.env, "env", nil, "with --exec: hand on the environment variable `NAME`, or set NAME=VALUE")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"lines", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
}

// passedOn are the environment variables that every program gets, and those
// that begin with LC_.
var passedOn = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR",
	"SystemRoot", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERPROFILE",
}

// execLine is how long the message of a line may be, unless --max-message says
// otherwise: --max-procs programs may print such lines at the same time.
const execLine = 16 << 20

// executor runs a program for each connection.
type executor struct {
	a       *app.App
	o       Options
	words   []string
	env     []string
	slots   *program.Slots
	in, out *program.LongLines
	says    program.Stderr
	quiet   sync.Once // one warning is enough
	// ending is closed when the server begins to end.
	ending <-chan struct{}
}

// Mode returns the mode of serve --exec.
func Mode(ctx context.Context, a *app.App, o Options) (listen.Mode, error) {
	words, err := shellwords.Split(o.Command)
	if err != nil {
		return listen.Mode{}, fault.Usagef("--exec: %w", err)
	}
	if words[0], err = exec.LookPath(words[0]); err != nil {
		return listen.Mode{}, fault.Usagef("--exec: %w", err)
	}
	switch {
	case o.format != "lines" && o.format != "jsonl":
		return listen.Mode{}, fault.Usagef("--format %s: want lines or jsonl", o.format)
	case o.shared && o.format != "jsonl":
		return listen.Mode{}, fault.Usagef("--shared needs --format jsonl, which tells the connections apart")
	case o.maxProcs < 1:
		return listen.Mode{}, fault.Usagef("--max-procs %d: want at least 1", o.maxProcs)
	case o.maxProcsOfAddr < 0:
		return listen.Mode{}, fault.Usagef("--max-procs-per-addr %d: want at least 1", o.maxProcsOfAddr)
	case o.grace < 0:
		return listen.Mode{}, fault.Usagef("--grace %v: want 0 or more", o.grace)
	}
	x := &executor{a: a, o: o, words: words, env: environment(o.env), slots: program.NewSlots(o.maxProcs, o.maxProcsOfAddr),
		in: a.Memory.LongLines(), out: a.Memory.LongLines(), ending: ctx.Done()}
	x.says.Log = a.Log
	if o.shared {
		s := &sharedExecutor{executor: x}
		return listen.Mode{Serve: s.serve, End: s.end}, nil
	}
	return listen.Mode{Serve: x.serve, End: x.end}, nil
}

// end tells what is still to be told.
func (x *executor) end() error {
	x.says.Flush()
	return nil
}

func (x *executor) serve(e *endpoint.Endpoint, srv *parley.Server) error {
	url := e.String()
	srv.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error { return x.open(c, url) }
	srv.Hooks.OnClose = func(c *parley.Conn, _ error) { x.close(c) }
	srv.Handler = x
	return nil
}

// environment returns the part of ours that programs get. Python is told not to
// hold its output back, as it does where that is no terminal.
func environment(more []string) []string {
	env := []string{"PYTHONUNBUFFERED=1"}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(passedOn, name) || strings.HasPrefix(name, "LC_") || slices.Contains(more, name) {
			env = append(env, kv)
		}
	}
	for _, kv := range more {
		if strings.Contains(kv, "=") {
			env = append(env, kv)
		}
	}
	return env // of two values of a name the later one counts
}

// open starts the program of a new connection.
func (x *executor) open(c *parley.Conn, url string) error {
	if err := x.slots.Take(c.RemoteAddr()); err != nil {
		return err
	}
	env := append(slices.Clip(x.env),
		"PARLEY_URL="+url,
		"PARLEY_PROTOCOL="+c.Protocol().Name(),
		"PARLEY_PEER="+c.RemoteAddr().String(),
		fmt.Sprintf("PARLEY_CONN=%d", c.ID()))
	says := x.a.Log.With("conn", c.ID())
	p := x.program(env, says.With("peer", c.RemoteAddr()), says)
	p.Line = func(line []byte) { x.answer(c, p, line) }
	p.Left = func() uint64 { return moving.Of(c) }
	p.Stop = func(err error) { x.stop(c, err) }
	p.Ended = func() { x.finish(c) }
	if err := p.Start(); err != nil {
		x.slots.Give(c.RemoteAddr())
		return err
	}
	cl := &client{Program: p, source: p.Input.NewSource()}
	clients.Set(c, cl)
	go x.follow(c, cl, c.PeerClosed())
	return nil
}

const (
	// takes is how often a client that has been sent all is asked whether it has taken
	// it, and takesNothing how long it may take nothing, unless --timeout says otherwise.
	takes        = 20 * time.Millisecond
	takesNothing = 30 * time.Second
)

// finish closes the connection of a program that has ended: when its client has taken
// what was printed, which may take it longer than Close would wait.
func (x *executor) finish(c *parley.Conn) {
	ctx, cancel := moving.While(c.Context(), cmp.Or(x.a.Timeout, takesNothing), func() uint64 { return moving.Of(c) })
	defer cancel()
	for c.Stats().Pending > 0 {
		select {
		case <-time.After(takes):
			continue
		case <-ctx.Done():
		case <-x.ending:
		}
		break
	}
	c.Close()
}

// program returns a program that is not yet started.
func (x *executor) program(env []string, log, says *slog.Logger) *program.Program {
	longest := execLine
	if n := x.a.Limits.MaxMessage; n > 0 {
		longest = int(min(n, math.MaxInt32/2))
	}
	if x.o.format == "jsonl" {
		longest += longest/3 + 4096 // base64, and the rest of the record
	}
	p := &program.Program{
		Cmd: exec.Command(x.words[0], x.words[1:]...), Family: x.a.Family, Grace: x.o.grace, MaxLine: longest,
		Long: x.out, Log: log, Says: says, Stderr: &x.says, Quiet: func() { x.mayBuffer(says) },
	}
	p.Cmd.Env = env
	return p
}

// mayBuffer warns once of a program that reads and prints nothing.
func (x *executor) mayBuffer(log *slog.Logger) {
	x.quiet.Do(func() {
		log.Warn("the program has read a line and printed nothing for 2s: it may hold its output back, as most do where it is no terminal",
			"hint", "let it flush each line, or put stdbuf -oL in front of it")
	})
}

// close ends the program of a connection that has ended.
func (x *executor) close(c *parley.Conn) {
	p := clients.Get(c)
	if p == nil {
		return // it was never started
	}
	p.End()
	x.slots.Give(c.RemoteAddr())
}

// ServeMessage writes a message to the program.
func (x *executor) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	p := clients.Get(c)
	if err := x.put(ctx, c, p.source, m); err != nil {
		return err
	}
	if p.feed.message() {
		p.Input.CloseAfter()
	}
	return nil
}

// put writes a message to a program. A long one has its turn, as what is made of it
// takes several times its size.
func (x *executor) put(ctx context.Context, c *parley.Conn, s *program.Source, m parley.Message) error {
	var share *program.Share
	if n := m.Len(); n > program.LongLine {
		times := 2
		if x.o.format == "jsonl" {
			times = 6
		}
		var err error
		if share, err = x.in.Take(ctx, int64(times*n), nil, func(err error) { x.stop(c, err) }); err != nil {
			return err
		}
	}
	line, err := x.lineOf(c, m)
	if err != nil {
		share.Give()
		return err
	}
	return s.Put(ctx, line, share, x.a.Timeout)
}

// stop ends a connection whose long line does not move on.
func (x *executor) stop(c *parley.Conn, err error) {
	x.a.Log.Warn("connection cut", "conn", c.ID(), "peer", c.RemoteAddr(), "reason", err)
	c.CloseNow()
}

// lineOf returns the line that tells the program of m.
func (x *executor) lineOf(c *parley.Conn, m parley.Message) ([]byte, error) {
	if x.o.format == "jsonl" {
		r := output.NewRecord(m)
		now := time.Now()
		r.TS, r.Conn, r.Dir, r.Proto = &now, c.ID(), "in", c.Protocol().Name()
		return r.AppendLine(nil)
	}
	text := output.Payload(m)
	if bytes.IndexByte(text, '\n') >= 0 {
		return nil, errors.New("--exec: a message has a line feed in it, so it is no line: use --format jsonl")
	}
	return append(append(make([]byte, 0, len(text)+1), text...), '\n'), nil
}

// answer sends a line of the program.
func (x *executor) answer(c *parley.Conn, p *program.Program, line []byte) {
	m, err := x.message(line)
	if err == nil {
		err = c.Send(c.Context(), m)
	}
	switch {
	case err == nil:
	case c.Err() != nil:
		p.Unheard(1, c.Err())
	default:
		p.NotSent(line, err)
	}
}

// message returns the message that a line of the program is.
func (x *executor) message(line []byte) (parley.Message, error) {
	if x.o.format == "jsonl" {
		r, err := output.ParseRecord(line)
		if err != nil {
			return parley.Message{}, err
		}
		return r.Message()
	}
	if runtime.GOOS == "windows" {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	if utf8.Valid(line) {
		return parley.Text(string(line)), nil
	}
	return parley.Bytes(line), nil
}
