package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/internal/socketdir"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// withTranscripts are the protocols of which there are transcripts, by their folder.
var withTranscripts = []struct {
	folder   string
	protocol parley.Protocol
	honest   string // the form of an honest client
}{
	{"oneline", oneline.Protocol{}, "oneline"},
	{"tinyproto", tinyproto.Protocol{}, "tinyproto"},
	{"tpft", tinyproto.Protocol{}, "tinyproto"},
	{"serpy", serpy.Protocol{}, "serpy"},
	{"serpy2", serpy2.Protocol{}, "serpy2"},
}

// streams returns what one role says in all transcripts of a folder, each
// stream once, if it is no longer than most bytes.
func streams(t *testing.T, folder string, role wire.Role, most int) (all []string) {
	seen := map[string]bool{}
	for _, tr := range recorded.Load(t, folder) {
		conns := 0
		for _, s := range tr.Steps {
			conns = max(conns, s.Conn+1)
		}
		for conn := range conns {
			if s := string(tr.Stream(conn, role)); len(s) > 0 && len(s) <= most && !seen[s] {
				seen[s] = true
				all = append(all, s)
			}
		}
	}
	return all
}

// mutations calls f with every truncation of s and with every s in which one
// bit is flipped.
func mutations(s string, f func(what string, mutant []byte)) {
	for n := range len(s) {
		f(fmt.Sprintf("%q cut after %d bytes", s, n), []byte(s[:n]))
	}
	for bit := range 8 * len(s) {
		b := []byte(s)
		b[bit/8] ^= 1 << (bit % 8)
		f(fmt.Sprintf("%q with bit %d of byte %d flipped", s, bit%8, bit/8), b)
	}
}

// A victim is a server or a client that is fed with what is not sound, and
// judges every error that comes of it.
type victim struct {
	t      *testing.T
	closes chan error // how connections have ended

	mu     sync.Mutex
	input  string         // what it is being fed with
	errors map[string]int // how many connections and messages have ended how
}

func newVictim(t *testing.T) *victim {
	return &victim{t: t, closes: make(chan error, 100_000), errors: map[string]int{}}
}

func (v *victim) fed(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.input = what
}

func (v *victim) hooks() parley.Hooks {
	return parley.Hooks{
		OnClose: func(c *parley.Conn, err error) {
			v.judge(c, err)
			v.closes <- err
		},
		OnMessageError: v.judge,
	}
}

// judge checks that an error says what kind it is, where and why.
func (v *victim) judge(c *parley.Conn, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var broken *parley.ProtocolError
	var lost *parley.MessageError
	var refused *parley.RefusedError
	offset, rule, sort := int64(0), "-", ""
	switch {
	case errors.Is(err, parley.ErrPeerClosed):
		sort = "proper"
	case errors.Is(err, parley.ErrClosed), errors.Is(err, parley.ErrServerClosed):
		sort = "ours"
	case errors.As(err, &lost):
		offset, rule, sort = lost.Offset, lost.Rule, "message lost"
	case errors.Is(err, parley.ErrTooLarge):
		sort = "too large"
	case errors.As(err, &broken):
		offset, rule, sort = broken.Offset, broken.Rule, "protocol error"
	case errors.As(err, &refused):
		offset, rule, sort = refused.Offset, refused.Rule, "refused"
	default:
		v.t.Errorf("%s: an error of no kind that is promised: %T %v", v.input, err, err)
	}
	most := int64(1 << 20)
	if c != nil {
		most = int64(c.Stats().BytesIn)
	}
	if offset < 0 || offset > most || rule == "" {
		v.t.Errorf("%s: the error has offset %d in %d bytes and rule %q: %v", v.input, offset, most, rule, err)
	}
	v.errors[sort]++
}

// ends returns how many connections and messages have ended how so far.
func (v *victim) ends() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.errors)
}

// politeEcho is echo, and does not mind what it can't send.
var politeEcho = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
	if err := c.Send(ctx, m); !errors.Is(err, parley.ErrNotRepresentable) {
		return err
	}
	return nil
})

// Every truncation and every single flipped bit of what the originals say,
// against a live server: no panic, no hang, errors that name offset and rule,
// and an honest client beside it, or the next one, is served.
//
// Verifies: RUNTIME-41, RUNTIME-48, TINYPROTO-17, SERPY-28, SERPY2-14, ONELINE-26
func TestMutatedClients(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for _, r := range withTranscripts {
			t.Run(r.folder, func(t *testing.T) {
				together(t)
				v := newVictim(t)
				srv := &parley.Server{Protocol: r.protocol, Handler: politeEcho, Hooks: v.hooks(), IgnoreShutdownRequest: true}
				addr := listenUnix(t, d, srv)
				honest := formOf(r.honest)
				var beside *parley.Conn
				if r.folder != "oneline" { // which serves one at a time
					beside = dial(t, honest, "unix:"+addr)
				}
				count, slowest := 0, time.Duration(0)
				for _, s := range streams(t, r.folder, wire.Dialing, scale(400, 60)) {
					mutations(s, func(what string, mutant []byte) {
						v.fed(what)
						count++
						slowest = max(slowest, feedServer(t, what, addr, mutant))
						if beside != nil && (full || count%10 == 0) {
							if m, err := beside.Call(bounded(t), parley.Text("beside")); err != nil || m.Text() != "beside" {
								t.Fatalf("%s: the client beside it: %v, %v", what, m, err)
							}
						}
						if beside == nil || count%50 == 0 {
							v.fed("an honest client")
							wantEcho(t, honest, "unix:"+addr)
						}
					})
				}
				figure(t, "%d inputs: 0 panics, 0 hangs, slowest end %v, ends and losses: %v", count, slowest.Round(time.Microsecond), v.ends())
				if count == 0 {
					t.Error("nothing was tried")
				}
			})
		}
	})
}

// listenUnix runs srv on a Unix socket, which has no ports to run out of.
func listenUnix(t *testing.T, d driver, srv *parley.Server) (path string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("it needs Unix sockets")
	}
	d.use(srv)
	path = filepath.Join(socketdir.New(t), "s")
	if err := srv.Listen("unix:" + path); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve() }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	return path
}

// hang is after how long without an end something hangs.
const hang = 30 * time.Second

// feedServer says input to a server, ends the stream, and waits for the
// server's end, which must come soon.
func feedServer(t *testing.T, what, addr string, input []byte) time.Duration {
	t.Helper()
	nc, err := net.Dial("unix", addr)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer nc.Close()
	start := time.Now()
	nc.SetDeadline(start.Add(hang))
	nc.Write(input) // the server may have hung up
	nc.(*net.UnixConn).CloseWrite()
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%s: it hangs: %v", what, err)
	}
	return time.Since(start)
}

// The same in the other role: what an original server says, mutated, against a
// live client.
//
// Verifies: RUNTIME-41, RUNTIME-48
func TestMutatedServers(t *testing.T) {
	for _, r := range withTranscripts {
		t.Run(r.folder, func(t *testing.T) {
			together(t)
			l, err := net.Listen("unix", filepath.Join(socketdir.New(t), "s"))
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			v := newVictim(t)
			dialer := &parley.Dialer{Protocol: r.protocol, Hooks: v.hooks()}
			count := 0
			said := streams(t, r.folder, wire.Accepting, scale(400, 60))
			if len(said) == 0 { // both sides speak alike
				said = streams(t, r.folder, wire.Dialing, scale(400, 60))
			}
			for _, s := range said {
				mutations(s, func(what string, mutant []byte) {
					v.fed(what)
					count++
					served := make(chan struct{})
					go func() {
						defer close(served)
						nc, err := l.Accept()
						if err != nil {
							return
						}
						defer nc.Close()
						nc.SetDeadline(time.Now().Add(hang))
						nc.Write(mutant)
						nc.(*net.UnixConn).CloseWrite()
						io.Copy(io.Discard, nc)
					}()
					beClient(t, v, what, dialer, "unix:"+l.Addr().String())
					<-served
				})
			}
			figure(t, "%d inputs: 0 panics, 0 hangs, ends and losses: %v", count, v.ends())
			if count == 0 {
				t.Error("nothing was tried")
			}
		})
	}
}

// beClient is a program that says one thing and receives until the end.
func beClient(t *testing.T, v *victim, what string, dialer *parley.Dialer, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	c, err := dialer.Dial(ctx, addr)
	if err == nil {
		c.Send(ctx, parley.Text("hello"))
		for err == nil || errors.As(err, new(*parley.MessageError)) {
			if _, err = c.Receive(ctx); err != nil && c.Err() == nil {
				if !errors.As(err, new(*parley.MessageError)) {
					break
				}
				v.judge(c, err)
			}
		}
		c.CloseNow()
		<-c.Done()
	}
	if ctx.Err() != nil {
		t.Fatalf("%s: it hangs: %v", what, err)
	}
	if !errors.Is(err, parley.ErrPeerClosed) {
		v.judge(c, err)
	}
}
