package parley_test

// What connections and messages need of memory.

import (
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Memory grows with what has arrived, never with what was announced.
//
// Verifies: RUNTIME-09
func TestAnnouncedMemory(t *testing.T) {
	announcements := map[string]struct {
		protocol parley.Protocol
		bytes    string
	}{
		"tinyproto": {tinyproto.Protocol{}, tinyHello + tinyHead(60<<20) + "x"},
		"serpy2":    {serpy2.Protocol{}, "\xde\xca\xfe\xca\xfe\x81\x00\x00\x00\x00\x00\x00\xc0\x03x"},
	}
	for name, a := range announcements {
		t.Run(name, func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: a.protocol, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
			addr := newServer(t, srv)
			before := heap()
			const n = 100
			for range n {
				bareDial(t, addr).say(a.bytes)
				s := life.conn(t)
				for s.Stats().BytesIn < uint64(len(a.bytes)) {
					runtime.Gosched()
				}
			}
			if grown := heap() - before; grown > n*256<<10 {
				t.Errorf("%d announcements of 60 MiB cost %d KiB", n, grown>>10)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What was received belongs to the program alone: a connection that idles keeps
// no message.
//
// Verifies: RUNTIME-19, RUNTIME-09
func TestReceivedMemory(t *testing.T) {
	c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
	go peer.say(serpy2Text(strings.Repeat("x", 1000)))
	m, err := c.Receive(newContext(t))
	if err != nil {
		t.Fatal(err)
	}
	freed := make(chan struct{})
	runtime.AddCleanup(&m.Bytes()[0], func(struct{}) { close(freed) }, struct{}{})
	m = parley.Message{}
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
			return
		default:
		}
	}
	t.Error("the connection keeps the message")
}

// An idle connection holds no buffer.
//
// Verifies: RUNTIME-09
func TestIdleMemory(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Clients == 1 {
			continue
		}
		t.Run(label(f.protocol), func(t *testing.T) {
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(discard), MaxConnsPerAddr: -1}
			addr := newServer(t, srv)
			const n = 200
			var peers []*bare
			for range n {
				peer := bareDial(t, addr)
				peer.say(f.hello + f.text("hello"))
				peers = append(peers, peer)
			}
			for srv.Stats().Total.MessagesIn < n {
				runtime.Gosched()
			}
			runtime.GC() // the pools, and what they have given up
			before := heap()
			srv.Close()
			for srv.Stats().Open > 0 {
				runtime.Gosched()
			}
			runtime.GC()
			loops := int64(*eventLoops) * (64<<10 + 4<<10) // what each loop reads into
			if each := (before - heap() - loops) / n; each > 4<<10 {
				t.Errorf("an idle connection held %d bytes", each)
			} else {
				t.Logf("an idle connection held %d bytes", each)
			}
			runtime.KeepAlive(peers)
		})
	}
}
