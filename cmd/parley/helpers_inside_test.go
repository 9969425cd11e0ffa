package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// insideRun is a parley inside the test that goes on while the test does.
type insideRun struct {
	t              *testing.T
	args           []string
	url            string // where it listens, if it does
	stdout, stderr *capture
	stop           context.CancelFunc
	ended          chan int
}

// startInside runs parley. If it listens, startInside waits until it does.
func startInside(t *testing.T, listens bool, args ...string) *insideRun {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &insideRun{t: t, args: args, stdout: newCapture(), stderr: newCapture(), stop: stop, ended: make(chan int, 1)}
	go func() {
		code := run(ctx, args, strings.NewReader(""), r.stdout, r.stderr)
		r.stdout.close()
		r.stderr.close()
		r.ended <- code
	}()
	t.Cleanup(func() { r.stop(); r.wait() })
	if listens {
		found, err := r.stderr.await(ready)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, r.stderr)
		}
		r.url = found[1]
	}
	return r
}

// addr is the part of the URL behind ://.
func (r *insideRun) addr() string {
	_, addr, _ := strings.Cut(r.url, "://")
	return addr
}

// wait waits for the end and returns the exit code.
func (r *insideRun) wait() int {
	r.t.Helper()
	select {
	case code := <-r.ended:
		r.ended <- code
		return code
	case <-time.After(patience):
		r.t.Fatalf("%v does not end\n%s", r.args, r.stderr)
		return -1
	}
}

// end waits for the end and checks the exit code.
func (r *insideRun) end(want int) {
	r.t.Helper()
	if code := r.wait(); code != want {
		r.t.Errorf("%v: exit code %d, want %d\n%s", r.args, code, want, r.stderr)
	}
}

// hears waits until standard error has something that matches.
func (r *insideRun) hears(pattern string) {
	r.t.Helper()
	if _, err := r.stderr.await(regexp.MustCompile(pattern)); err != nil {
		r.t.Fatalf("%v: %v\n%s", r.args, err, r.stderr)
	}
}

var _ io.Writer = (*capture)(nil)
