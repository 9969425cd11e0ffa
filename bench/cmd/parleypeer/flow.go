package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bench/internal/result"
)

// flow sends numbered messages as fast as they leave, and ends with one that is
// confirmed, which confirms all before it. It prints a result.Report.
func flow(args []string) error {
	f := flag.NewFlagSet("flow", flag.ExitOnError)
	addr := f.String("addr", "127.0.0.1:7000", "the receiver")
	name := f.String("wire", "tinyproto", "tinyproto, or tinyproto-wait for a round trip per message")
	size := f.Int("size", 16, "bytes of a message, at least 8")
	pid := f.Int("pid", 0, "the receiver's process, to read its CPU time")
	duration := f.Duration("duration", 2*time.Second, "time to send")
	f.Parse(args)
	if *size < 8 {
		return fmt.Errorf("-size %d: a message needs 8 bytes for its number", *size)
	}
	p, err := protocolOf(*name)
	if err != nil {
		return err
	}
	ctx := context.Background()
	c, err := parley.Dial(ctx, p, *addr)
	if err != nil {
		return err
	}
	body := make([]byte, *size)
	m, err := result.Start(*pid)
	if err != nil {
		return err
	}
	n := uint64(0)
	next := func() parley.Message {
		n++
		number(body, n)
		return parley.Bytes(body)
	}
	for n%64 != 0 || time.Since(m.Began) < *duration {
		if err := c.Send(ctx, next()); err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
	}
	if err := c.Confirm(ctx, next()); err != nil {
		return fmt.Errorf("after %d messages: %w", n, err)
	}
	r := result.Report{Mode: "flow", Wire: *name, Size: *size}
	if err := m.Stop(&r); err != nil {
		return err
	}
	m.PerMessage(&r, int64(n))
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	return c.Close()
}

// number makes body message number n: the number, and bytes that follow from
// it.
func number(body []byte, n uint64) {
	binary.LittleEndian.PutUint64(body, n)
	if len(body) > 8 {
		body[len(body)-1] = byte(n)
	}
}

func checkNumbered(body []byte, n uint64) error {
	if len(body) < 8 || binary.LittleEndian.Uint64(body) != n || len(body) > 8 && body[len(body)-1] != byte(n) {
		return fmt.Errorf("message %d is not as it was sent: %.40x", n, body)
	}
	return nil
}
