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

// flow sends numbered messages for a time, and prints a result.Report of those
// that were confirmed in it.
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
	before := c.Stats().Confirmed
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	var sent uint64
	for ctx.Err() == nil {
		sent++
		number(body, sent)
		if err := c.Send(ctx, parley.Bytes(body)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("message %d: %w", sent, err)
		}
	}
	confirmed := c.Stats().Confirmed - before
	r := result.Report{Mode: "flow", Wire: *name, Size: *size}
	if err := m.Stop(&r); err != nil {
		return err
	}
	if confirmed > 0 {
		m.PerMessage(&r, int64(confirmed))
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	c.CloseNow()
	return nil
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
