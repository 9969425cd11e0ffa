package main

import (
	"fmt"
	"syscall"

	"github.com/parley-net/parley/bench/internal/result"
)

// runBlob sends messages of -size bytes one after the other over one
// connection, each after the last one's answer: a message of one byte, the last
// byte of what was sent. On len4 the answer is that byte alone.
func runBlob(c config) (result.Report, error) {
	r := result.Report{Mode: "blob", Wire: c.wire, Conns: 1, Size: c.size}
	fd, err := dial(c.addr, c.f)
	if err != nil {
		return r, err
	}
	body := make([]byte, c.size)
	for i := range body {
		body[i] = 'a' + byte(i*7%26)
	}
	// Two messages in turn, so that an answer to the last one is not one to
	// this one.
	frames, answers := [2][]byte{}, [2][]byte{}
	for i := range frames {
		body[len(body)-1] = 'A' + byte(i)
		frames[i] = c.f.wrap(body)
		answers[i] = body[len(body)-1:]
		if c.wire != "len4" {
			answers[i] = c.f.wrap(answers[i])
		}
		answers[i] = append([]byte(nil), answers[i]...)
	}
	send := func(p []byte) error {
		for len(p) > 0 {
			n, err := syscall.Write(fd, p[:min(len(p), 4<<20)])
			if err != nil {
				return err
			}
			p = p[n:]
		}
		return nil
	}
	message := func(i int) error {
		p := frames[i%2]
		if len(c.f.grant) > 0 {
			if err := send(p[:c.f.head]); err != nil {
				return err
			}
			if err := expect(fd, c.f.grant); err != nil {
				return err
			}
			p = p[c.f.head:]
		}
		if err := send(p); err != nil {
			return err
		}
		if err := expect(fd, answers[i%2]); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		return send(c.f.thank)
	}
	if err := message(0); err != nil { // untimed: buffers grow
		return r, err
	}
	rounds := max(1, int(c.total/int64(c.size)))
	m, err := result.Start(c.pid)
	if err != nil {
		return r, err
	}
	for i := range rounds {
		if err := message(1 + i); err != nil {
			return r, err
		}
	}
	err = m.Stop(&r)
	m.PerMessage(&r, int64(rounds))
	return r, err
}
