package main

import (
	"context"
	"flag"
	"fmt"
	"github.com/parley-net/parley/serpy"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/parley-net/parley"
)

func serve(args []string) error {
	f := flag.NewFlagSet("serve", flag.ExitOnError)
	addr := f.String("addr", "127.0.0.1:7000", "listening address")
	name := f.String("wire", "oneline", "line, frame, oneline, tinyproto, serpy or serpy2")
	mode := f.String("mode", "echo", "echo, blob, stream, sink or fan")
	driver := f.String("driver", "goroutine", "goroutine or loop")
	loops := f.Int("loops", 1, "event loops of the driver loop")
	conns := f.Int("conns", 1000, "fan: begin when this many connections are open")
	size := f.Int("size", 64, "fan: bytes of a message")
	check := f.Bool("check", false, "only tell whether the driver is there")
	profile := f.String("cpuprofile", "", "write a CPU profile to this file; SIGTERM ends it")
	f.Parse(args)

	p, err := protocolOf(*name)
	if err != nil {
		return err
	}
	srv := &parley.Server{
		Protocol: p, MaxConns: -1, MaxConnsPerAddr: -1, MaxBuffered: -1,
		Limits: parley.Limits{MaxMessage: largest},
	}
	switch *mode {
	case "echo":
		srv.Handler = parley.HandlerFunc(echo)
	case "blob":
		srv.Handler = parley.HandlerFunc(lastByte)
	case "stream":
		srv.Limits.MaxMessage = 1 << 20
		srv.Handler = streams{}
	case "sink":
		srv.Handler = parley.HandlerFunc(sink)
	case "fan":
		fan(srv, *conns, *size)
	default:
		return fmt.Errorf("unknown mode %q", *mode)
	}
	switch *driver {
	case "goroutine":
	case "loop":
		srv.EventLoops = *loops
	default:
		return fmt.Errorf("unknown driver %q", *driver)
	}
	if *check {
		return nil
	}
	if *profile != "" {
		stop, err := profileTo(*profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-terminated
		srv.Close()
	}()
	if err := srv.ListenAndServe(*addr); err != parley.ErrServerClosed {
		return err
	}
	return nil
}

func profileTo(name string) (stop func(), err error) {
	out, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); out.Close() }, nil
}

func echo(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

// lastByte answers a message with its last byte, which shows that it came to
// its end.
func lastByte(ctx context.Context, c *parley.Conn, m parley.Message) error {
	if m.Len() == 0 {
		return fmt.Errorf("an empty message")
	}
	return c.Send(ctx, answerIn(m, m.Bytes()[m.Len()-1:]))
}

// answerIn is an answer of the same type, and on serpy in the same mode.
func answerIn(m parley.Message, b []byte) parley.Message {
	a := parley.Bytes(b)
	if m.Type() == parley.TypeText {
		a = parley.Text(string(b))
	}
	if mode, ok := serpy.Mode(m); ok {
		a = serpy.WithMode(a, mode)
	}
	return a
}

// streams does as lastByte, with messages that are not held in memory.
type streams struct{}

func (streams) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return lastByte(ctx, c, m)
}

func (streams) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	buf := make([]byte, 256<<10)
	var last byte
	for left := s.Size(); left > 0; {
		n, err := s.Read(buf)
		if n > 0 {
			last = buf[n-1]
		}
		if left -= int64(n); err != nil && left > 0 {
			return err
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	return c.Send(ctx, parley.Bytes([]byte{last}))
}

var numbers parley.Key[*uint64]

// sink checks the numbers of the messages that flow sends.
func sink(_ context.Context, c *parley.Conn, m parley.Message) error {
	last := numbers.Get(c)
	if last == nil {
		last = new(uint64)
		numbers.Set(c, last)
	}
	*last++
	return checkNumbered(m.Bytes(), *last)
}

// fan broadcasts numbered messages as fast as the fastest connections take
// them, from one goroutine, once all are open.
func fan(srv *parley.Server, conns, size int) {
	srv.Handler = parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil })
	// Enough for many messages in one write; a peer that reads nothing misses
	// what is beyond.
	srv.Limits.MaxOutput = 256 << 10
	go func() {
		for len(srv.Conns()) < conns {
			time.Sleep(10 * time.Millisecond)
		}
		all := srv.Conns()
		reading := all[len(all)-1] // the last to come; slow ones came first
		body := make([]byte, size)
		for i := 16; i < size; i++ {
			body[i] = 'x'
		}
		for n := uint64(1); ; n++ {
			putHex(body, n)
			if _, err := srv.Broadcast(parley.Bytes(body)); err != nil {
				fmt.Fprintln(os.Stderr, "parleypeer:", err)
				os.Exit(1)
			}
			for reading.Stats().Pending > 64<<10 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
}

func putHex(b []byte, n uint64) {
	for i := 15; i >= 0; i-- {
		b[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
}
