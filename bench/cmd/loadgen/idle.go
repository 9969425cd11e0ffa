package main

import (
	"bytes"
	"fmt"
	"syscall"
	"time"

	"github.com/parley-net/parley/bench/internal/result"
)

// runIdle opens idle connections and reads the server's memory: once they are
// open, after one message on each, and after a quiet time.
func runIdle(c config) (result.Report, error) {
	r := result.Report{Mode: "idle", Wire: c.wire, Conns: c.idle}
	p := makePatterns(c.f, c.size, 1)
	start := time.Now()
	// One connection first, so that what the server sets up once is not
	// counted against the many.
	fds := make([]int, 0, c.idle+1)
	before := int64(0)
	for i := range c.idle + 1 {
		fd, err := dial(c.addr, c.f)
		if err != nil {
			return r, fmt.Errorf("after %d: %w", i, err)
		}
		fds = append(fds, fd)
		if i == 0 {
			if err := c.once(fd, p); err != nil {
				return r, err
			}
			time.Sleep(200 * time.Millisecond)
			before = result.RSS(c.pid)
		}
	}
	time.Sleep(500 * time.Millisecond)
	per := func() float64 { return float64(result.RSS(c.pid)-before) / float64(c.idle) }
	r.RSSConnected = per()
	for _, fd := range fds[1:] {
		if err := c.once(fd, p); err != nil {
			return r, err
		}
	}
	r.RSSUsed = per()
	time.Sleep(c.settle)
	r.RSSSettled = per()
	r.RSSMiB = float64(result.RSS(c.pid)) / (1 << 20)
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// once sends one message, takes its answer and what may stand before that, and
// says thanks.
func (c config) once(fd int, p patterns) error {
	if n, e := write(fd, p.first.ring[:p.first.frame]); n != p.first.frame {
		return fmt.Errorf("write: %d bytes, %v", n, e)
	}
	want := append(bytes.Clone(c.f.skip), p.resp.ring[:p.resp.frame]...)
	if err := expect(fd, want); err != nil {
		return err
	}
	if len(c.f.thank) == 0 {
		return nil
	}
	_, err := syscall.Write(fd, c.f.thank)
	return err
}
