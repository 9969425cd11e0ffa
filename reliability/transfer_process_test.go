package reliability

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/transfer"
)

const transferConfigEnv = "PARLEY_RELIABILITY_TRANSFER"

// A transferConfig is one side of a file transfer, in a process of its own that
// can be killed: a server of the folder Root, or a client that transfers one
// file, called "file" on the server.
type transferConfig struct {
	Driver   string
	Root     string
	InMemory bool // the server holds messages with file data in memory

	Addr   string
	Local  string
	Upload bool
}

func init() {
	config := os.Getenv(transferConfigEnv)
	if config == "" {
		return
	}
	var c transferConfig
	err := json.Unmarshal([]byte(config), &c)
	switch {
	case err != nil:
	case c.Root != "":
		err = c.serve()
	default:
		err = c.transfer()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve serves until the input ends. It prints its address, what it sends and
// every end of a transfer.
func (c transferConfig) serve() error {
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		return err
	}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: &transfer.Server{
		Root: root, Writable: true,
		OnProgress: func(_ *parley.Conn, t transfer.Transfer) {
			if !t.Upload {
				fmt.Println("sent", t.Done)
			}
		},
		OnEnd: func(*parley.Conn, transfer.Transfer, error) { fmt.Println("end 0") },
	}}
	if !c.InMemory {
		srv.Limits.MaxMessage = transfer.MaxLetter
	}
	drivers[slices.IndexFunc(drivers, func(d driver) bool { return d.name == c.Driver })].use(srv)
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		return err
	}
	go srv.Serve()
	fmt.Println("addr", srv.Addrs()[0])
	io.Copy(io.Discard, os.Stdin)
	return srv.Close()
}

// transfer transfers the file. It prints from where on, and what it sends.
func (c transferConfig) transfer() error {
	ctx, cancel := context.WithTimeout(context.Background(), transferPatience)
	defer cancel()
	cl, err := transfer.Dial(ctx, c.Addr)
	if err != nil {
		return err
	}
	defer cl.Close()
	cl.Overwrite = true
	begun := false
	cl.OnProgress = func(t transfer.Transfer) {
		if !begun {
			begun = true
			fmt.Println("from", t.Resumed)
		}
		if t.Upload {
			fmt.Println("sent", t.Done)
		}
	}
	if c.Upload {
		return cl.Upload(ctx, c.Local, "file")
	}
	return cl.Download(ctx, "file", c.Local)
}

const transferPatience = 2 * time.Minute

// transferProcess is a running side of a file transfer.
type transferProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.Closer
	addr string
	sent atomic.Int64  // how much it has sent of the file, what was there included
	from atomic.Int64  // where this attempt began
	news chan struct{} // sent has changed, or a transfer has ended
	ends chan struct{}
	gone chan struct{} // the process has ended
	err  error         // how
}

// startTransfer starts a side of a file transfer.
func startTransfer(t *testing.T, c transferConfig) *transferProcess {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &transferProcess{
		t: t, cmd: exec.Command(os.Args[0]),
		news: make(chan struct{}, 1), ends: make(chan struct{}, 100), gone: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), transferConfigEnv+"="+string(config))
	var stderr strings.Builder
	p.cmd.Stderr = &stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	known := make(chan string, 1)
	go func() {
		defer close(p.gone)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			word, value, _ := strings.Cut(lines.Text(), " ")
			n, _ := strconv.ParseInt(value, 10, 64)
			switch word {
			case "addr":
				known <- value
			case "from":
				p.from.Store(n)
			case "sent":
				p.sent.Store(n)
				select {
				case p.news <- struct{}{}:
				default:
				}
			case "end":
				p.ends <- struct{}{}
			}
		}
		if p.err = p.cmd.Wait(); p.err != nil {
			p.err = fmt.Errorf("%w: %s", p.err, stderr.String())
		}
	}()
	t.Cleanup(func() {
		p.in.Close()
		p.cmd.Process.Kill()
		<-p.gone
	})
	if c.Root == "" {
		return p
	}
	select {
	case p.addr = <-known:
	case <-p.gone:
		t.Fatal("the server: ", p.err)
	}
	return p
}

// forget forgets what was sent in earlier attempts.
func (p *transferProcess) forget() {
	p.sent.Store(0)
	select {
	case <-p.news:
	default:
	}
}

// reaches waits until p has sent n bytes of the file, and returns false if
// the client ends first.
func (p *transferProcess) reaches(n int64, client *transferProcess) bool {
	for {
		select {
		case <-p.news:
			if p.sent.Load() >= n {
				return true
			}
		case <-client.gone:
			return false
		}
	}
}

// kill ends the process as kill -9 does, and returns false if it had ended
// already.
func (p *transferProcess) kill() bool {
	p.cmd.Process.Kill()
	<-p.gone
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

// wait waits for the process and returns how it has ended.
func (p *transferProcess) wait() error {
	<-p.gone
	return p.err
}

// awaitEnd waits until the server has ended a transfer.
func (p *transferProcess) awaitEnd() {
	p.t.Helper()
	select {
	case <-p.ends:
	case <-p.gone:
		p.t.Fatal("the server: ", p.err)
	case <-time.After(transferPatience):
		p.t.Fatal("the server ends no transfer")
	}
}

// stop ends the server in order.
func (p *transferProcess) stop() {
	p.t.Helper()
	p.in.Close()
	if err := p.wait(); err != nil {
		p.t.Error("the server: ", err)
	}
}
