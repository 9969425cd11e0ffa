package tap

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// The whole way of a byte: through the proxy, and decoded.
func BenchmarkProxy(b *testing.B) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p := &Proxy{MaxBehind: 64 << 20, Drain: patience, Dial: dialer(target)}
	decoders := make(map[uint64]*Decoder)
	missed := 0
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go p.Serve(ctx, l)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.Watch(func(ev Event) {
			switch ev.Kind {
			case Opened:
				decoders[ev.Conn] = NewDecoder(tinyproto.Protocol{}, 1<<20, func(Item) {})
			case Data:
				decoders[ev.Conn].Feed(ev.From, ev.Data)
			case Missed:
				missed += ev.N
			}
		}, func() {})
	}()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	server, err := target.Accept()
	if err != nil {
		b.Fatal(err)
	}
	message, _, err := tinyproto.Protocol{}.New(wire.Dialing, wire.Limits{}).Send(nil, wire.Bytes(make([]byte, 8<<10)))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	client.Write([]byte{0xff})
	go func() {
		io.Copy(io.Discard, server)
		server.Close()
	}()
	for b.Loop() {
		client.Write(message)
	}
	client.Close()
	stop()
	<-watched
	b.ReportMetric(float64(missed), "missed-B")
}
