package main

import (
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// However many clients come, what each of them brings about has a hundred lines a
// second together, also where it is not the connection that is told of: a program that
// ends, what it says, a target that is not there.
//
// Verifies: RUNTIME-75
func TestManyClientsLog(t *testing.T) {
	const clients = 400
	for _, c := range []struct {
		name string
		args []string
		stay bool   // until all have come
		tell string // is awaited
		most int    // lines in a second
	}{
		{"a program that fails", []string{"serve", "line://127.0.0.1:0", "--exec", "false"}, false, "", 101},
		// What programs say has a hundred lines of its own.
		{"a program that complains", []string{"serve", "line://127.0.0.1:0", "--exec", "sh -c 'for i in 1 2 3 4 5; do echo no >&2; done'"}, false, "program says too much", 102},
		{"a target that is not there", []string{"bridge", "line://127.0.0.1:0", "line://" + freePorts(t, 1)[0], "--reconnect", "--max-conns-per-addr", "1000"}, true, "log lines left out", 101},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startInside(t, true, c.args...)
			addr, _, _ := strings.Cut(r.addr(), " ")
			begun := time.Now()
			for range clients {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				if !c.stay {
					io.Copy(io.Discard, nc)
				}
			}
			if _, err := r.stderr.await(regexp.MustCompile(c.tell)); err != nil {
				t.Errorf("%v\n%.2000s", err, r.stderr)
			}
			took := time.Since(begun)
			if n, most := strings.Count(r.stderr.String(), "\n"), int(took/time.Second+1)*c.most+1; n > most {
				t.Errorf("%d lines in %v, want at most %d", n, took, most)
			}
		})
	}
}
