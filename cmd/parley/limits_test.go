package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// boundFlags says by which flag each bound of package parley is set. A server has
// those that a field of its own, beneath "Server", names.
var boundFlags = map[string]string{
	"Limits.MaxMessage": "max-message", "Limits.MaxStream": "max-stream", "Limits.MaxOutput": "max-output", "Limits.MaxInput": "max-input",
	"Limits.MaxQueue": "max-queue", "Limits.MinRate": "min-rate",
	"Timeouts.Dial": "dial-timeout", "Timeouts.Handshake": "handshake-timeout", "Timeouts.Answer": "answer-timeout", "Timeouts.Turn": "turn-timeout",
	"Timeouts.Write": "write-timeout", "Timeouts.Progress": "progress-timeout", "Timeouts.Stall": "stall-timeout", "Timeouts.Idle": "idle",
	"Timeouts.Close": "close-timeout", "Timeouts.Settle": "settle-timeout", "Timeouts.Linger": "linger-timeout", "Timeouts.HalfClose": "half-close",
	"Timeouts.KeepAlive": "keep-alive",
	"Server.MaxConns":    "max-conns", "Server.MaxConnsPerAddr": "max-conns-per-addr", "Server.WhenFull": "when-full", "Server.MaxBuffered": "max-memory",
}

// noBounds are the fields of a Server that bound nothing, or are other fields here:
// WhenSlow is --close-slow of a relay, and Budget what --max-memory makes.
var noBounds = []string{"Protocol", "Handler", "Pull", "Hooks", "Plugins", "Limits", "Timeouts", "Budget", "WhenSlow", "IgnoreShutdownRequest", "EventLoops",
	"OverwriteBorrowed", "TLSConfig", "Logger", "Trace", "OnTick", "TickInterval", "OnShutdownRequest"}

// Every bound has a flag, in serve, bridge, tap and web.
//
// Verifies: LIMITS-01
func TestEveryBoundHasAFlag(t *testing.T) {
	var fields []string
	for name, typ := range map[string]reflect.Type{
		"Limits": reflect.TypeFor[parley.Limits](), "Timeouts": reflect.TypeFor[parley.Timeouts](), "Server": reflect.TypeFor[parley.Server](),
	} {
		for f := range typ.Fields() {
			if f.IsExported() && !(name == "Server" && slices.Contains(noBounds, f.Name)) {
				fields = append(fields, name+"."+f.Name)
			}
		}
	}
	for _, f := range fields {
		if boundFlags[f] == "" {
			t.Errorf("%s has no flag", f)
		}
	}
	if len(fields) != len(boundFlags) {
		t.Errorf("%d fields, %d flags", len(fields), len(boundFlags))
	}
	// tap passes bytes on: nothing else of them can wait there, but for --timeout. web has no server of
	// ours, and has its own bounds for pages; what it dials has no half-close to wait for.
	has := map[string]func(field string) bool{
		"serve":  func(string) bool { return true },
		"bridge": func(string) bool { return true },
		"tap": func(f string) bool {
			return slices.Contains([]string{"Limits.MaxMessage", "Server.MaxConns", "Server.MaxBuffered"}, f)
		},
		"web": func(f string) bool {
			return !strings.HasPrefix(f, "Server.") && f != "Timeouts.HalfClose" || f == "Server.MaxBuffered"
		},
	}
	for _, c := range everyCommand(t) {
		wants := has[c.Name()]
		if wants == nil || !strings.HasPrefix(c.CommandPath(), "parley "+c.Name()) {
			continue
		}
		for f, flag := range boundFlags {
			if c.Flags().Lookup(flag) == nil && wants(f) {
				t.Errorf("%s has no --%s, for %s", c.CommandPath(), flag, f)
			}
		}
		delete(has, c.Name())
	}
	if len(has) > 0 {
		t.Errorf("not found: %d commands", len(has))
	}
}

// What a flag says is what the connection gets, of a server and of what is dialled.
//
// Verifies: LIMITS-01
func TestBoundsAreSet(t *testing.T) {
	for field, flag := range boundFlags {
		t.Run(flag, func(t *testing.T) {
			a := newApp(nil, io.Discard, io.Discard)
			cmd := new(cobra.Command)
			listen.AddFlags(a, cmd)
			f := cmd.Flags().Lookup(flag)
			value, want := valueOf(f)
			if err := cmd.Flags().Set(flag, value); err != nil {
				t.Fatal(err)
			}
			e, err := endpoint.Parse("serpy2://127.0.0.1:5001")
			if err != nil {
				t.Fatal(err)
			}
			srv, err := listen.NewServer(a, e)
			if err != nil {
				t.Fatal(err)
			}
			d, err := a.Dialer(e)
			if err != nil {
				t.Fatal(err)
			}
			part, name, _ := strings.Cut(field, ".")
			of := []reflect.Value{reflect.ValueOf(srv).Elem()}
			if part != "Server" {
				of = []reflect.Value{of[0].FieldByName(part), reflect.ValueOf(d).Elem().FieldByName(part)}
			}
			if field == "Server.MaxBuffered" {
				if got := srv.Budget.Limit(); got != want {
					t.Errorf("the budget is %d, want %d", got, want)
				}
				return
			}
			for i, v := range of {
				var got int64
				if v = v.FieldByName(name); v.CanInt() {
					got = v.Int()
				} else {
					got = int64(v.Uint())
				}
				if got != want {
					t.Errorf("%d: %s is %d, want %d", i, field, got, want)
				}
			}
		})
	}
}

// valueOf returns a value for a flag, as text and as its field has it.
func valueOf(f *pflag.Flag) (text string, want int64) {
	switch {
	case f.Name == "when-full":
		return "wait", int64(parley.FullWait)
	case f.Value.Type() == "duration":
		return "123s", int64(123 * time.Second)
	case f.Value.Type() == "size":
		return "123K", 123 << 10
	}
	return "123", 123
}

// Where a command connects --timeout bounds waits in which nothing moves: an answer, a
// confirmation and an upload may take many times as long.
//
// Verifies: LIMITS-02
func TestSlowButMoving(t *testing.T) {
	const size, piece, every = 4000, 200, 100 * time.Millisecond // two seconds
	message := make([]byte, size)
	for name, c := range map[string]struct {
		args   []string
		answer []byte // brought slowly
		code   int
	}{
		"an answer":   {[]string{"ask", "line://%s", "a", "--timeout", "500ms"}, append(bytes.Repeat([]byte("x"), size), '\n'), 0},
		"send -n 1":   {[]string{"send", "line://%s", "a", "-n", "1", "--timeout", "500ms"}, append(bytes.Repeat([]byte("x"), size), '\n'), 0},
		"never ended": {[]string{"ask", "line://%s", "a", "--timeout", "500ms"}, message, 4},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				nc.Read(make([]byte, 2))
				for b := c.answer; len(b) > 0; b = b[min(piece, len(b)):] {
					nc.Write(b[:min(piece, len(b))])
					time.Sleep(every)
				}
				io.Copy(io.Discard, nc)
			}()
			for i := range c.args {
				c.args[i] = strings.ReplaceAll(c.args[i], "%s", l.Addr().String())
			}
			r := startInside(t, false, c.args...)
			if code := r.wait(); code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, r.stderr)
			}
			if c.code == 0 && len(strings.TrimSpace(r.stdout.String())) != size {
				t.Errorf("%d bytes came, want %d", len(r.stdout.String()), size)
			}
		})
	}
	t.Run("an upload that is taken slowly", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken := make(chan int64, 1)
		go func() {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			nc.(*net.TCPConn).SetReadBuffer(256 << 10) // smaller ones hardly take loopback's segments
			var n int64
			for range 25 { // two and a half seconds
				m, _ := io.ReadFull(nc, make([]byte, 200_000))
				n += int64(m)
				time.Sleep(100 * time.Millisecond)
			}
			m, _ := io.Copy(io.Discard, nc)
			taken <- n + m
		}()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, make([]byte, 16<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		r := startInside(t, false, "send", "frame://"+l.Addr().String()+"?size=u32be&strip=4", "@"+file, "--wait", "0s", "--timeout", "500ms")
		if code := r.wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, r.stderr)
		}
		if n := <-taken; n != 4+16<<20 {
			t.Errorf("%d bytes were taken", n)
		}
	})
	t.Run("who takes nothing is named", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, make([]byte, 32<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		r := startInside(t, false, "send", "frame://"+l.Addr().String()+"?size=u32be&strip=4", "@"+file, "--timeout", "500ms")
		if code := r.wait(); code != 4 || !strings.Contains(r.stderr.String(), l.Addr().String()) {
			t.Errorf("exit code %d, want 4 and the address: %s", code, r.stderr)
		}
	})
}

// What the decoders of a tap hold together is bounded: the one that holds most decodes
// no more, the traffic goes on, and so do the others.
//
// Verifies: LIMITS-03
func TestTapMemory(t *testing.T) {
	echo := startInside(t, true, "serve", "serpy2://127.0.0.1:0", "--echo")
	tap := startInside(t, true, "tap", "serpy2://127.0.0.1:0", echo.addr(), "--max-memory", "64M")
	const size = 16 << 20
	head := append([]byte("\xde\xca\xfe\xca\xfe\x81\x00\x00\x00\x00"), 0, 0, 0, size>>24)
	var all []net.Conn
	for range 6 {
		nc, err := net.Dial("tcp", tap.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.Write(head)
		for left := size - 1; left > 0; left -= min(left, 1<<20) { // no faster than it is decoded
			if _, err := nc.Write(make([]byte, min(left, 1<<20))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		all = append(all, nc)
	}
	if _, err := tap.stderr.await(regexp.MustCompile("the unfinished messages of all connections hold more than 48 MiB, this one most of them")); err != nil {
		t.Fatalf("%v\n%s", err, tap.stderr)
	}
	for i, nc := range all { // all of them are still passed on
		nc.Write([]byte{0})
		nc.SetReadDeadline(time.Now().Add(patience))
		if n, err := io.ReadFull(nc, make([]byte, len(head)+size)); err != nil {
			t.Fatalf("connection %d: %d bytes, %v", i, n, err)
		}
	}
	if r := startInside(t, false, "send", "serpy2://"+tap.addr(), "hello", "-n", "1"); r.wait() != 0 {
		t.Fatal(r.stderr)
	}
	if _, err := tap.stdout.await(regexp.MustCompile("#7 > hello")); err != nil {
		t.Errorf("%v: the others are not decoded any more\n%s", err, tap.stdout)
	}
}
