package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/parley-net/parley/bench/internal/result"
)

// receiver is one connection that reads broadcast messages. Each message
// begins with its number in 16 hexadecimal digits; the rest is filler.
type receiver struct {
	fd     int
	part   []byte // the beginning of a message
	number uint64 // of the last message
	seen   bool
	missed int64
}

// runFan opens -fan connections that read all they get, and -slow ones that
// read nothing, and counts the messages that arrive.
func runFan(c config) (result.Report, error) {
	r := result.Report{Mode: "fan", Wire: c.wire, Conns: c.fan, Size: c.size}
	if c.size < 16 {
		return r, errors.New("a broadcast message needs 16 bytes for its number")
	}
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		return r, err
	}
	for range c.slow {
		if _, err := dial(c.addr, c.f); err != nil {
			return r, err
		}
	}
	rs := make([]receiver, c.fan)
	for i := range rs {
		if rs[i].fd, err = dial(c.addr, c.f); err != nil {
			return r, err
		}
	}
	for i := range rs {
		if err := watch(ep, rs[i].fd, i); err != nil {
			return r, err
		}
	}
	runtime.LockOSThread()
	fan := fan{f: c.f, frame: len(c.f.wrap(make([]byte, c.size))), size: c.size, buf: make([]byte, 256<<10),
		filler: bytes.Repeat([]byte{'x'}, c.size-16)}
	evs := make([]syscall.EpollEvent, 1024)
	var m result.Meter
	var count int64
	start := time.Now()
	for measuring := false; ; {
		since := time.Since(start)
		if !measuring && since >= c.warmup {
			measuring = true
			count = 0
			for i := range rs {
				rs[i].missed = 0
			}
			if m, err = result.Start(c.pid); err != nil {
				return r, err
			}
		}
		if since >= c.warmup+c.duration {
			break
		}
		n := epollWait(ep, evs, 50)
		for _, ev := range evs[:n] {
			got, err := fan.receive(&rs[ev.Fd])
			if err != nil {
				return r, fmt.Errorf("connection %d: %w", ev.Fd, err)
			}
			count += int64(got)
		}
	}
	err = m.Stop(&r)
	if count == 0 {
		return r, err
	}
	m.PerMessage(&r, count)
	for i := range rs {
		r.Missed += rs[i].missed
		if !rs[i].seen {
			return r, fmt.Errorf("connection %d received nothing", i)
		}
	}
	return r, err
}

type fan struct {
	f           framing
	frame, size int
	buf, thanks []byte
	filler      []byte
}

// receive reads once and checks the messages that are complete.
func (f *fan) receive(k *receiver) (int, error) {
	held := copy(f.buf, k.part)
	n, e := read(k.fd, f.buf[held:])
	if e == syscall.EAGAIN {
		return 0, nil
	}
	if e != 0 || n == 0 {
		return 0, fmt.Errorf("read: %d bytes, %v", n, e)
	}
	p := f.buf[:held+n]
	got := 0
	for {
		for len(p) > 0 && len(f.f.skip) > 0 && p[0] == f.f.skip[0] {
			p = p[1:]
		}
		if len(p) < f.frame {
			break
		}
		if err := f.check(k, p[:f.frame]); err != nil {
			return got, err
		}
		p = p[f.frame:]
		got++
	}
	k.part = append(k.part[:0], p...)
	if len(f.f.thank) == 0 {
		return got, nil
	}
	for len(f.thanks) < got {
		f.thanks = append(f.thanks, f.f.thank...)
	}
	if n, e := write(k.fd, f.thanks[:got]); n != got {
		return got, fmt.Errorf("thanks: %d of %d bytes, %v", n, got, e)
	}
	return got, nil
}

// check compares one message with what it must be by its number.
func (f *fan) check(k *receiver, frame []byte) error {
	body := frame[f.f.before : f.f.before+f.size]
	number, err := strconv.ParseUint(string(body[:16]), 16, 64)
	if err != nil {
		return fmt.Errorf("no number at the beginning of %.40q", body)
	}
	switch {
	case k.seen && number <= k.number:
		return fmt.Errorf("message %d came after %d", number, k.number)
	case k.seen:
		k.missed += int64(number - k.number - 1)
	}
	k.seen, k.number = true, number
	if !bytes.Equal(body[16:], f.filler) {
		return fmt.Errorf("message %d is not as it was sent: %.80q", number, body)
	}
	if number%16 == 0 && !bytes.Equal(frame, f.f.wrap(body)) { // the checksum too
		return fmt.Errorf("message %d is not framed as it must be: %.80q", number, frame)
	}
	return nil
}
