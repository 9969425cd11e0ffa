package parley_test

// What the tests of streams send and compare with, without holding it in memory.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-net/parley"
)

// pattern is an endless stream whose bytes tell where they stand.
type pattern struct{ at int64 }

var period = func() []byte { // no power of two, so that a lost block is seen
	b := make([]byte, 65_537)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func (p *pattern) fill(b []byte) {
	for len(b) > 0 {
		n := copy(b, period[p.at%int64(len(period)):])
		p.at += int64(n)
		b = b[n:]
	}
}

func (p *pattern) Read(b []byte) (int, error) {
	p.fill(b)
	return len(b), nil
}

// check is a writer that compares what it gets with the pattern.
type check struct {
	pattern
	want []byte
}

func (c *check) Write(b []byte) (int, error) {
	if len(c.want) < len(b) {
		c.want = make([]byte, len(b))
	}
	want, at := c.want[:len(b)], c.at
	c.fill(want)
	if !bytes.Equal(b, want) {
		return 0, fmt.Errorf("damaged between bytes %d and %d", at, c.at)
	}
	return len(b), nil
}

// resident returns the memory of the process that is resident, in bytes, or
// skips the test where the system does not tell.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm: ", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// grown is a check that looks now and then by how much the process has grown.
type grown struct {
	check
	t            *testing.T
	writes       int
	before, most int64
}

func (g *grown) Write(b []byte) (int, error) {
	if g.writes++; g.writes%64 == 0 {
		g.most = max(g.most, resident(g.t)-g.before)
	}
	return g.check.Write(b)
}

// uploads is a StreamHandler that copies what it gets and answers.
type uploads struct {
	parley.HandlerFunc
	to     func() io.Writer
	answer func(ctx context.Context, c *parley.Conn, n int64) error
}

func (u uploads) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	n, err := io.Copy(u.to(), s)
	if err != nil {
		return err
	}
	return u.answer(ctx, c, n)
}
