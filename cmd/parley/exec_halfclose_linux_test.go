package main

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// rawClient is a client that was not written for parley.
func rawClient(t *testing.T, addr, says string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, says); err != nil {
		t.Fatal(err)
	}
	return nc.(*net.TCPConn)
}

// readToEnd reads to the end of the stream.
func readToEnd(t *testing.T, nc net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Errorf("after %q: %v", b, err)
	}
	return string(b)
}

// waitGone waits until no program of the server is left.
func (s *execServer) waitGone() {
	s.t.Helper()
	for late := time.Now().Add(patience); len(s.family()) > 0; runtime.Gosched() {
		if time.Now().After(late) {
			s.t.Fatalf("still there: %v", s.family())
		}
	}
}

// saidBy are two messages of a client, and what comes back if the program answers
// with the given lines.
func saidBy(scheme string, messages, answers []string) (says, hears string) {
	var b, h strings.Builder
	switch scheme {
	case "tinyproto":
		frame := func(text string) string {
			return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
		}
		b.WriteString("\xff")
		h.WriteString("\xff")
		for _, m := range messages {
			b.WriteString(frame(m))
			h.WriteString("\xff")
		}
		for _, a := range answers {
			h.WriteString(frame(a))
		}
		return b.String(), h.String()
	case "oneline":
		b.WriteString("ping\n")
		h.WriteString("pong\n")
	}
	for _, m := range messages {
		b.WriteString(m + "\n")
	}
	for _, a := range answers {
		h.WriteString(a + "\n")
	}
	return b.String(), h.String()
}

// The standard input of a program ends with its client's stream, and what it prints
// then still leaves, also later than --grace, which is for clients that have gone.
//
// Verifies: EXEC-04
func TestProgramOfAHalfClosedClient(t *testing.T) {
	for _, p := range []struct {
		name, script       string
		messages, answered []string
	}{
		{"sort", "exec sort", []string{"b", "a", "c"}, []string{"a", "b", "c"}},
		{"late", "while read -r line; do sleep 1; echo \"late $line\"; done", []string{"a", "b"}, []string{"late a", "late b"}},
		{"last word", "cat >/dev/null; sleep 1; echo done", []string{"a"}, []string{"done"}},
		{"nothing said", "sort; echo done", nil, []string{"done"}},
	} {
		for _, scheme := range []string{"line", "oneline", "tinyproto"} {
			if scheme == "oneline" && len(p.messages) == 0 {
				continue // it has nothing to answer then
			}
			t.Run(p.name+"/"+scheme, func(t *testing.T) {
				s := startExecServerAt(t, scheme+"://127.0.0.1:0", 50*time.Millisecond, p.script, "--half-close", "1h")
				says, want := saidBy(scheme, p.messages, p.answered)
				nc := rawClient(t, s.addr, says)
				nc.CloseWrite()
				if got := readToEnd(t, nc); got != want {
					t.Errorf("heard %q, want %q", got, want)
				}
				s.waitGone()
			})
		}
	}
}

// A program that goes on behind the end of its client's stream ends when --half-close
// is over, the client has gone, or the server ends, and --grace besides.
//
// Verifies: EXEC-04
func TestProgramThatGoesOn(t *testing.T) {
	const script = "cat; trap '' TERM; echo end; while :; do sleep 0.1; done"
	for _, k := range []struct {
		name, halfClose string
		leave           func(*execServer, *net.TCPConn)
	}{
		{"limit", "300ms", func(*execServer, *net.TCPConn) {}},
		{"reset", "1h", func(_ *execServer, nc *net.TCPConn) { nc.SetLinger(0); nc.Close() }},
		{"shutdown", "1h", func(s *execServer, _ *net.TCPConn) {
			s.killed = true // the second signal, of the test's end, may come before it has ended
			s.cmd.Process.Signal(os.Interrupt)
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			s := startExecServerAt(t, "line://127.0.0.1:0", 100*time.Millisecond, script, "--half-close", k.halfClose, "--drain", "1h")
			nc := rawClient(t, s.addr, "a\n")
			nc.CloseWrite()
			heard := make([]byte, len("a\nend\n"))
			if _, err := io.ReadFull(nc, heard); err != nil || string(heard) != "a\nend\n" {
				t.Fatalf("heard %q, %v", heard, err)
			}
			began := time.Now()
			k.leave(s, nc)
			s.waitGone()
			t.Logf("gone after %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// A client of a shared program that has ended its stream is answered too. The
// connection closes when each of its messages has an answer, and some time more, or
// when the program says so.
//
// Verifies: EXEC-05
func TestSharedProgramOfAHalfClosedClient(t *testing.T) {
	for name, script := range map[string]string{
		"answers": `while read -r line; do case $line in *'"in"'*) sleep 1; echo '{"conn":1,"text":"late"}'; echo '{"conn":1,"text":"and later"}';; esac; done`,
		"closes":  `while read -r line; do case $line in *'"end"'*) sleep 1; echo '{"conn":1,"text":"late"}'; echo '{"conn":1,"text":"and later"}'; echo '{"conn":1,"dir":"close"}';; esac; done`,
	} {
		for _, scheme := range []string{"line", "oneline", "tinyproto"} {
			t.Run(name+"/"+scheme, func(t *testing.T) {
				s := startExecServerAt(t, scheme+"://127.0.0.1:0", 50*time.Millisecond, script, "--shared", "--format", "jsonl", "--half-close", "1h")
				messages := []string{"a", "b"}
				answers := []string{"late", "and later", "late", "and later"}
				if name == "closes" {
					answers = answers[:2]
					messages = append(messages, "c")
				}
				says, want := saidBy(scheme, messages, answers)
				nc := rawClient(t, s.addr, says)
				nc.CloseWrite()
				if got := readToEnd(t, nc); got != want {
					t.Errorf("heard %q, want %q", got, want)
				}
			})
		}
	}
}
