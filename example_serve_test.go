package parley_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// A server that SIGTERM ends gracefully: clients get their answers, and the program's
// exit code is 0.
func ExampleServer_Shutdown() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the program at once
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		srv.Shutdown(limit)
	})

	time.AfterFunc(50*time.Millisecond, func() { // what systemctl stop does
		p, _ := os.FindProcess(os.Getpid())
		if p.Signal(syscall.SIGTERM) != nil {
			stop() // where there are no signals
		}
	})

	// Serve returns when the last connection has ended.
	if err := srv.ListenAndServe("127.0.0.1:0"); !errors.Is(err, parley.ErrServerClosed) {
		log.Fatal(err) // exit code 1
	}
	fmt.Println("bye")
	// Output: bye
}

// hasher answers messages with their hash, whatever their size.
type hasher struct{}

func (hasher) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	sum := sha256.Sum256(m.Bytes())
	return c.Send(ctx, parley.Text(fmt.Sprintf("%d bytes, %x", m.Len(), sum[:4])))
}

func (hasher) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	h := sha256.New()
	n, err := io.Copy(h, s) // never more than a piece of it in memory
	if err != nil {
		return err
	}
	return c.Send(ctx, parley.Text(fmt.Sprintf("stream of %d bytes, %x", n, h.Sum(nil)[:4])))
}

// Messages above Limits.MaxMessage come as streams.
func ExampleStreamHandler() {
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Handler:  hasher{},
		Limits:   parley.Limits{MaxMessage: 1 << 20},
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, tinyproto.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	m, err := c.Call(ctx, parley.Text("small"))
	fmt.Println(m.Text(), err)
	const size = 100 << 20
	if err := c.SendStream(ctx, size, zeros{}); err != nil {
		log.Fatal(err)
	}
	m, err = c.Receive(ctx)
	fmt.Println(m.Text(), err)
	// Output:
	// 5 bytes, 81db8ebb <nil>
	// stream of 104857600 bytes, 20492a4d <nil>
}

// zeros is a reader of as many of them as one likes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The turning points of a connection's life.
func ExampleHooks() {
	done := make(chan bool)
	srv := &parley.Server{
		Protocol: serpy2.Protocol{},
		Handler:  parley.HandlerFunc(echo),
		Hooks: parley.Hooks{
			OnOpen: func(ctx context.Context, c *parley.Conn) error {
				fmt.Println("open")
				return c.Send(ctx, parley.Text("welcome")) // an error would refuse the client
			},
			OnMessageError: func(_ *parley.Conn, err error) { fmt.Println("lost:", err) },
			OnClose: func(_ *parley.Conn, err error) {
				fmt.Println("closed:", err)
				close(done)
			},
		},
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	m, err := c.Receive(ctx)
	fmt.Println(m.Text(), err)
	c.Close()
	<-done
	// Output:
	// open
	// welcome <nil>
	// closed: parley: the peer closed the connection
}

type user struct{}

// Hooks.ConnContext gives a connection's handlers values, here a name that the logs
// of the whole program can show.
func ExampleHooks_connContext() {
	srv := &parley.Server{
		Protocol: serpy2.Protocol{},
		Hooks: parley.Hooks{ConnContext: func(ctx context.Context, c *parley.Conn) context.Context {
			return context.WithValue(ctx, user{}, "ann")
		}},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.Send(ctx, parley.Text(fmt.Sprint("hello ", ctx.Value(user{}))))
		}),
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	c, err := parley.Dial(context.Background(), serpy2.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Call(context.Background(), parley.Text("hi")))
	// Output: text[9] "hello ann" <nil>
}

// A server for many thousands of connections, most of which wait: on Linux it has a
// few goroutines instead of one for each.
func ExampleServer_eventLoops() {
	srv := &parley.Server{
		Protocol:   tinyproto.Protocol{},
		Handler:    parley.HandlerFunc(echo), // must not block: see Server.EventLoops
		EventLoops: 2,
		MaxConns:   100_000,
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	c, err := parley.Dial(context.Background(), tinyproto.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	m, err := c.Call(context.Background(), parley.Text("hello"))
	fmt.Println(m.Text(), err, srv.Stats().Stalls)
	// Output: hello <nil> 0
}

// What goes over the wire, a line for each message and answer.
func ExampleTraceTo() {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
	addr := listenAndServe(srv)
	defer srv.Close()

	var trace strings.Builder
	d := parley.Dialer{Protocol: tinyproto.Protocol{}, Trace: parley.TraceTo(&trace)}
	c, err := d.Dial(context.Background(), addr)
	if err != nil {
		log.Fatal(err)
	}
	c.Call(context.Background(), parley.Text("hello"))
	c.Close()
	<-c.Done()
	for line := range strings.Lines(trace.String()) {
		if strings.Contains(line, "hello") { // the others are greetings and confirmations
			_, what, _ := strings.Cut(line, "message")
			fmt.Println(strings.TrimSpace(what))
		}
	}
	// Output:
	// text[5] "hello"  [9] 00 00 00 05 68 65 6c 6c 6f
}

// Middleware around a handler, which also sees streams.
func ExampleWrap() {
	logged := func(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
		if in.Stream != nil {
			fmt.Println("a stream of", in.Stream.Size(), "bytes")
		} else {
			fmt.Println("a message of", in.Message.Len(), "bytes")
		}
		return next(ctx, c, in)
	}
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Limits:   parley.Limits{MaxMessage: 1 << 20},
		Handler:  parley.Wrap(hasher{}, logged), // and more, from the outermost
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, tinyproto.Protocol{}, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.Call(ctx, parley.Text("small"))
	c.Call(ctx, parley.Bytes(make([]byte, 2<<20)))
	// Output:
	// a message of 5 bytes
	// a stream of 2097152 bytes
}

// A counter for each connection.
func ExampleKey() {
	var count parley.Key[int] // a variable of the package, usually
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			n := count.Get(c) + 1
			count.Set(c, n)
			return c.Send(ctx, parley.Int(int64(n)))
		})}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	for range 2 {
		c, err := parley.Dial(ctx, serpy2.Protocol{}, addr)
		if err != nil {
			log.Fatal(err)
		}
		c.Call(ctx, parley.Text("x"))
		m, err := c.Call(ctx, parley.Text("y"))
		fmt.Println(m.Int(), err)
		c.Close()
	}
	// Output:
	// 2 <nil>
	// 2 <nil>
}
