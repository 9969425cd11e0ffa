// Package files is the room of parley put, get and ls: plans of what is to move, bars
// of what moves; package transfer moves it.
package files

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/transfer"
)

// filesOptions are the flags of put and get.
type filesOptions struct {
	tls, force, ask, plain bool
	recursive, dryRun      bool
}

// filesFlags adds the flags of put and get.
func filesFlags(a *app.App, cmd *cobra.Command, o *filesOptions, force string) {
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.force, "force", "f", false, force)
	f.BoolVarP(&o.recursive, "recursive", "r", false, "folders with all that is in them")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be done, and do nothing")
	f.BoolVarP(&o.ask, "ask", "i", false, "show the files and their sizes, and begin when the answer is yes")
	f.BoolVar(&o.plain, "plain", false, "as the original tpft: no resuming, no comparing of contents")
	f.BoolVar(&o.tls, "tls", false, "use TLS; --ca, --pin, --insecure and --cert imply it")
	a.DialTLSFlags(cmd)
}

// check says what is wrong with the flags.
func (o *filesOptions) check(a *app.App) error {
	switch {
	case o.ask && a.LogForm == app.LogJSON:
		return fault.Usagef("--ask asks a person: leave out --log json, or --ask")
	case o.plain && o.recursive:
		return fault.Usagef("--plain: the original knows no folders: leave out -r")
	}
	return nil
}

// scheme is that of the server's URL.
func filesScheme(a *app.App, o filesOptions) string {
	if o.tls || a.TLS.CA != "" || len(a.TLS.Pins) > 0 || a.TLS.Insecure || a.TLS.Cert != "" {
		return "tinyproto+tls"
	}
	return "tinyproto"
}

// file is one file to move.
type file struct {
	remote
	local string
	size  int64           // -1: it has to be asked for
	dir   *transfer.Entry // a folder, with what it keeps
}

// mover moves files one after the other, in one direction.
type mover struct {
	a  *app.App
	o  filesOptions
	up bool

	at     endpoint.Endpoint // where client is connected
	client *transfer.Client
	knows  *bool // what many has found out about it
}

// connect returns a client of the server e, the one that is there if it can be.
func (m *mover) connect(ctx context.Context, e endpoint.Endpoint) (*transfer.Client, error) {
	if m.client != nil && m.at.String() == e.String() {
		return m.client, nil
	}
	m.close()
	m.knows = nil
	d, err := m.a.Dialer(e)
	if err != nil {
		return nil, err
	}
	d.Limits.MaxMessage = transfer.MaxLetter
	c, err := m.a.Dial(ctx, e, d)
	if err != nil {
		return nil, err
	}
	m.at, m.client = e, &transfer.Client{Conn: c, Overwrite: m.o.force, Plain: m.o.plain, Stall: m.a.Timeout}
	return m.client, nil
}

// close says goodbye to the server.
func (m *mover) close() {
	if m.client != nil {
		m.client.Close()
	}
}

// many reports whether the server knows lists and packs.
func (m *mover) many(ctx context.Context, e endpoint.Endpoint) (bool, error) {
	client, err := m.connect(ctx, e)
	if err != nil {
		return false, err
	}
	if m.knows == nil {
		ctx, cancel := context.WithTimeout(ctx, m.a.AnswerTimeout())
		defer cancel()
		knows, err := client.Many(ctx)
		if err != nil {
			return false, m.explained(err)
		}
		m.knows = &knows
	}
	return *m.knows, nil
}

// size asks for the size of a file on its server.
func (m *mover) size(ctx context.Context, f file) (int64, error) {
	client, err := m.connect(ctx, f.at)
	if err != nil {
		return 0, err
	}
	ctx, cancel := m.a.Moving(ctx, client.Conn)
	defer cancel()
	n, err := client.Size(ctx, f.path)
	return n, m.explained(err)
}

// explained adds to an error of the connection what the peer may be.
func (m *mover) explained(err error) error { return diagnose.Explain(m.client.Conn, err) }

// accepted shows the files on a terminal, and asks if it has to.
func (m *mover) accepted(files []file) (bool, error) {
	if !m.o.ask && !terminal.IsTerminal(m.a.Stderr) {
		return true, nil
	}
	const most = 20 // more would leave the screen
	var sum int64
	n := 0
	for _, f := range files {
		if f.dir != nil {
			continue
		}
		sum += f.size
		if n++; n <= most {
			fmt.Fprintf(m.a.Loud, "%10s  %s\n", wording.Amount(f.size), m.arrow(f))
		}
	}
	if n > most {
		fmt.Fprintf(m.a.Loud, "%10s  and %d more\n", terminal.Words("…"), n-most)
	}
	if n > 1 {
		fmt.Fprintf(m.a.Loud, "%10s  in %d files\n", wording.Amount(sum), n)
	}
	if !m.o.ask || n == 0 {
		return true, nil
	}
	fmt.Fprint(m.a.Loud, "go on? [y/N] ")
	answer, _ := bufio.NewReader(m.a.Stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, &fault.Error{Code: fault.Fail, Err: fmt.Errorf("nothing was transferred: the answer was not yes")}
}

// arrow says from where to where a file goes.
func (m *mover) arrow(f file) string {
	from, to := f.place(), f.local
	if m.up {
		from, to = to, from
	}
	return terminal.Visible(from) + terminal.Words(" → ") + terminal.Visible(to)
}

// place names the file on its server.
func (f file) place() string { return f.at.Addr + ":" + f.path }

// failed says what is left of a transfer that has failed: t of the file i.
func (m *mover) failed(ctx context.Context, p *plan, i, moved int, t transfer.Transfer, err error) error {
	f := p.files[i]
	large := t.Done > 0 && t.Size == f.size && f.dir == nil
	var hints []string
	if n, _ := p.count(); n > 1 {
		hints = append(hints, fmt.Sprintf("%d of %d files have moved", moved, n))
	}
	if large {
		kept := "what came is in " + f.local + transfer.PartSuffix
		if m.up {
			kept = "a parley server keeps what came"
		}
		hints = append(hints, fmt.Sprintf("%s of %s have moved; %s", wording.Amount(t.Done), wording.Amount(t.Size), kept))
	}
	if len(hints) == 0 {
		return m.explained(err)
	}
	hint := wrapped(m.a, strings.Join(hints, ", ")+", and the same command goes on from there")
	if ctx.Err() != nil {
		fmt.Fprintln(m.a.Stderr, hint)
		return context.Cause(ctx)
	}
	return &fault.Error{Code: fault.Code(err), Err: err, Hint: hint}
}
