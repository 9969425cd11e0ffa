package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/transfer"
)

// filesOptions are the flags of put and get.
type filesOptions struct {
	tls, force, ask, plain bool
}

// filesFlags adds the flags of put and get.
func (a *app) filesFlags(cmd *cobra.Command, o *filesOptions, force string) {
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.force, "force", "f", false, force)
	f.BoolVarP(&o.ask, "ask", "i", false, "show the files and their sizes, and begin when the answer is yes")
	f.BoolVar(&o.plain, "plain", false, "as the original tpft: no resuming, no comparing of contents")
	f.BoolVar(&o.tls, "tls", false, "use TLS; --ca, --pin, --insecure and --cert imply it")
	a.dialTLSFlags(cmd)
}

// scheme is that of the server's URL.
func (a *app) filesScheme(o filesOptions) string {
	if o.tls || a.tls.ca != "" || len(a.tls.pins) > 0 || a.tls.insecure || a.tls.cert != "" {
		return "tinyproto+tls"
	}
	return "tinyproto"
}

// file is one file to move.
type file struct {
	remote
	local string
	size  int64
}

// mover moves files one after the other, in one direction.
type mover struct {
	a  *app
	o  filesOptions
	up bool

	at     endpoint.Endpoint // where client is connected
	client *transfer.Client
}

// connect returns a client of the server e, the one that is there if it can be.
func (m *mover) connect(ctx context.Context, e endpoint.Endpoint) (*transfer.Client, error) {
	if m.client != nil && m.at.String() == e.String() {
		return m.client, nil
	}
	m.close()
	d, err := m.a.dialer(e)
	if err != nil {
		return nil, err
	}
	d.Limits.MaxMessage = transfer.MaxLetter
	c, err := m.a.dial(ctx, e, d)
	if err != nil {
		return nil, err
	}
	m.at, m.client = e, &transfer.Client{Conn: c, Overwrite: m.o.force, Plain: m.o.plain, Stall: m.a.timeout}
	return m.client, nil
}

// close says goodbye to the server.
func (m *mover) close() {
	if m.client != nil {
		m.client.Close()
	}
}

// size asks for the size of a file on its server.
func (m *mover) size(ctx context.Context, f file) (int64, error) {
	client, err := m.connect(ctx, f.at)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.a.answerTimeout())
	defer cancel()
	n, err := client.Size(ctx, f.path)
	return n, m.explained(err)
}

// explained adds to an error of the connection what the peer may be.
func (m *mover) explained(err error) error { return explain(m.client.Conn, err) }

// move moves the files, whose sizes are known. The first error ends it.
func (m *mover) move(ctx context.Context, files []file) error {
	if yes, err := m.accepted(files); !yes || err != nil {
		return err
	}
	b := m.a.newBars(files)
	defer b.end()
	for i, f := range files {
		client, err := m.connect(ctx, f.at)
		if err != nil {
			return err
		}
		began := time.Now()
		var t transfer.Transfer
		client.OnProgress = func(now transfer.Transfer) {
			t = now
			b.show(i, now)
		}
		if m.up {
			err = client.Upload(ctx, f.local, f.path)
		} else {
			err = client.Download(ctx, f.path, f.local)
		}
		if err != nil {
			return m.failed(ctx, f, t, err)
		}
		m.a.log.Info("file transferred", "local", f.local, "server", f.at, "path", f.path,
			"size", t.Size, "resumed", t.Resumed, "seconds", time.Since(began).Seconds())
	}
	return nil
}

// accepted shows the files on a terminal, and asks if it has to.
func (m *mover) accepted(files []file) (bool, error) {
	if !m.o.ask && !isTerminal(m.a.stderr) {
		return true, nil
	}
	var sum int64
	for _, f := range files {
		sum += f.size
		from, to := f.place(), f.local
		if m.up {
			from, to = to, from
		}
		fmt.Fprintf(m.a.stderr, "%10s  %s → %s\n", amount(f.size), visible(from), visible(to))
	}
	if len(files) > 1 {
		fmt.Fprintf(m.a.stderr, "%10s  in %d files\n", amount(sum), len(files))
	}
	if !m.o.ask {
		return true, nil
	}
	fmt.Fprint(m.a.stderr, "go on? [y/N] ")
	answer, _ := bufio.NewReader(m.a.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, &fault{code: exitFail, err: fmt.Errorf("nothing was transferred: the answer was not yes")}
}

// place names the file on its server.
func (f file) place() string { return f.at.Addr + ":" + f.path }

// failed says what is left of a transfer that has failed.
func (m *mover) failed(ctx context.Context, f file, t transfer.Transfer, err error) error {
	if t.Done == 0 {
		return m.explained(err)
	}
	kept := "what came is in " + f.local + transfer.PartSuffix
	if m.up {
		kept = "a parley server keeps what came"
	}
	hint := fmt.Sprintf("%s of %s have moved; %s, and the same command goes on from there", amount(t.Done), amount(t.Size), kept)
	if ctx.Err() != nil {
		fmt.Fprintln(m.a.stderr, hint)
		return context.Cause(ctx)
	}
	return &fault{code: exitCode(err), err: err, hint: hint}
}

// amount prints a number of bytes for a person.
func amount(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	for f >= 1024 && unit < 3 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[unit])
}
