// Command loadgen drives a server over loopback TCP and reports throughput,
// latency, and the server's CPU time and memory per unit of work. Every answer
// is compared with what was sent.
//
// One OS thread runs one epoll loop over its connections with raw system
// calls, so that the generator costs about what a C client would and is rarely
// what limits a run; client_util in the report says when it is.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/parley-net/parley/bench/internal/result"
)

type config struct {
	wire, addr               string
	conns, depth, size       int
	rate, pid                int
	duration, warmup, settle time.Duration
	idle, fan, slow          int
	blob                     bool
	total                    int64
	f                        framing
}

func main() {
	var c config
	flag.StringVar(&c.wire, "wire", "line", "line, len4, tinyproto, tinyproto-wait, serpy, serpy2, redis (ECHO) or nats (PING)")
	flag.StringVar(&c.addr, "addr", "127.0.0.1:7000", "server address, IPv4 loopback only")
	flag.IntVar(&c.conns, "conns", 1, "connections")
	flag.IntVar(&c.depth, "depth", 1, "messages in flight on each connection")
	flag.IntVar(&c.size, "size", 16, "payload bytes of a message")
	flag.IntVar(&c.rate, "rate", 0, "messages per second over all connections at fixed times (0: closed loop)")
	flag.IntVar(&c.pid, "pid", 0, "server process to read CPU time and memory of")
	flag.DurationVar(&c.duration, "duration", 3*time.Second, "measured time")
	flag.DurationVar(&c.warmup, "warmup", 500*time.Millisecond, "time before measuring")
	flag.IntVar(&c.idle, "idle", 0, "instead: open this many connections, send one message on each, report server memory")
	flag.DurationVar(&c.settle, "settle", 2*time.Second, "idle: wait before the settled reading")
	flag.BoolVar(&c.blob, "blob", false, "instead: one-way messages of -size bytes, each answered with its last byte")
	flag.Int64Var(&c.total, "total", 2<<30, "blob: bytes to send")
	flag.IntVar(&c.fan, "fan", 0, "instead: read what the server broadcasts to this many connections")
	flag.IntVar(&c.slow, "slow", 0, "fan: besides, this many connections that read nothing")
	flag.Parse()

	runtime.GOMAXPROCS(1)
	raiseFileLimit()
	r, err := run(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

func run(c config) (result.Report, error) {
	var err error
	if c.f, err = framingOf(c.wire); err != nil {
		return result.Report{}, err
	}
	switch {
	case c.idle > 0:
		return runIdle(c)
	case c.blob:
		return runBlob(c)
	case c.fan > 0:
		return runFan(c)
	}
	return runEcho(c)
}

func raiseFileLimit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
}
