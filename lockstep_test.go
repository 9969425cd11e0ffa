package parley_test

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

// A ping is answered in its turn, also by a server that pulls.
//
// Verifies: RUNTIME-24
func TestPullKeepsTheOrderOfAnswers(t *testing.T) {
	srv := &parley.Server{Protocol: oneline.Protocol{}, Pull: true}
	addr := newServer(t, srv)
	ctx := newContext(t)
	go func() {
		c, err := srv.Accept(ctx)
		if err != nil {
			return
		}
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return
			}
			c.Send(ctx, parley.Text("answer to "+m.Text()))
		}
	}()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "ping\ncmd\nping\nother\nping\n")
	r := bufio.NewReader(nc)
	for _, want := range []string{"pong\n", "answer to cmd\n", "pong\n", "answer to other\n", "pong\n"} {
		if line, err := r.ReadString('\n'); line != want {
			t.Fatalf("%q, %v; want %q", line, err, want)
		}
	}
}
