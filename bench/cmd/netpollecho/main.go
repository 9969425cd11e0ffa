// Command netpollecho is an echo server on cloudwego/netpoll.
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"log"

	"github.com/cloudwego/netpoll"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "listening address")
	proto := flag.String("proto", "line", "line, len4 or blob")
	flag.Parse()
	on, ok := map[string]netpoll.OnRequest{"line": line, "len4": len4, "blob": blob}[*proto]
	if !ok {
		log.Fatalf("no server for %s", *proto)
	}
	l, err := netpoll.CreateListener("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	loop, err := netpoll.NewEventLoop(on)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(loop.Serve(l))
}

func line(_ context.Context, c netpoll.Connection) error {
	r, w := c.Reader(), c.Writer()
	for r.Len() > 0 {
		p, err := r.Until('\n')
		if err != nil {
			return err
		}
		out, err := w.Malloc(len(p))
		if err != nil {
			return err
		}
		copy(out, p)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.Release()
}

func len4(_ context.Context, c netpoll.Connection) error {
	r, w := c.Reader(), c.Writer()
	for r.Len() > 0 {
		head, err := r.Peek(4)
		if err != nil {
			return err
		}
		p, err := r.Next(4 + int(binary.BigEndian.Uint32(head)))
		if err != nil {
			return err
		}
		out, err := w.Malloc(len(p))
		if err != nil {
			return err
		}
		copy(out, p)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.Release()
}

func blob(_ context.Context, c netpoll.Connection) error {
	r, w := c.Reader(), c.Writer()
	for r.Len() > 0 {
		head, err := r.Next(4)
		if err != nil {
			return err
		}
		p, err := r.Next(int(binary.BigEndian.Uint32(head)))
		if err != nil {
			return err
		}
		last := p[len(p)-1]
		if err := r.Release(); err != nil {
			return err
		}
		if _, err := w.WriteBinary([]byte{last}); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
