package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of a test. It only passes when something is wrong,
// and a loaded machine needs a lot of it.
const patience = time.Minute

// capture keeps what a program prints and lets others wait for it.
type capture struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	read    int // what hear has been through
	closed  bool
	changed chan struct{}
}

func newCapture() *capture { return &capture{changed: make(chan struct{})} }

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Write(p)
	c.wake()
	return len(p), nil
}

func (c *capture) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *capture) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// await waits until what was printed since the last await matches, and returns
// the match and its groups.
func (c *capture) await(re *regexp.Regexp) ([]string, error) {
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		rest := c.buf.Bytes()[c.read:]
		at := re.FindSubmatchIndex(rest)
		var found []string
		if at != nil {
			for _, g := range re.FindSubmatch(rest) {
				found = append(found, string(g))
			}
			c.read += at[1]
		}
		closed, changed := c.closed, c.changed
		c.mu.Unlock()
		switch {
		case found != nil:
			return found, nil
		case closed:
			return nil, fmt.Errorf("%q did not come; the program has ended", re)
		}
		select {
		case <-changed:
		case <-deadline:
			return nil, fmt.Errorf("%q did not come within %v", re, patience)
		}
	}
}

var ready = regexp.MustCompile(`(?m)^(?:\{"time":"[^"]+","level":"INFO","msg":")?listening on ([^\s"]+).*\n`)

// runParley runs parley inside the test.
func runParley(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code = run(ctx, args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}
