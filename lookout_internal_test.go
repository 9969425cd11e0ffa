package parley

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/serpy2"
)

// A handler that waits may give the loop away while a turn of its connection goes on: then
// that parks without its loop, and notices all the same that the peer ends its stream, and
// that it has gone.
//
// Verifies: RUNTIME-45
func TestLookOutWithoutLoop(t *testing.T) {
	for _, looped := range []bool{false, true} {
		t.Run(fmt.Sprintf("loop=%v", looped), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			peer, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			ours, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := (&Dialer{Protocol: serpy2.Protocol{}}).config()
			if err != nil {
				t.Fatal(err)
			}
			var lc *loopConn
			if looped {
				if lc = poller.Adopt[*Conn](ours); lc == nil {
					t.Skip("this system has no event loops")
				}
				ours = lc
			}
			c, err := newConn(cfg, ours, 1, false)
			if err != nil {
				t.Fatal(err)
			}
			defer hangUp(c.nc)
			if looped {
				loops, err := newLoops(1, func(time.Duration) {})
				if err != nil {
					t.Fatal(err)
				}
				defer closeLoops(loops)
				if err := loops[0].Add(lc, c); err != nil {
					t.Fatal(err)
				}
			}
			c.lock()
			left := c.s.Life().WhenLeft()
			c.unlock()
			failed := make(chan error, 1)
			go func() {
				c.lock()
				defer c.unlock()
				c.park()
				failed <- c.s.ReadFailed()
			}()
			peer.(*net.TCPConn).CloseWrite()
			limit := time.After(10 * time.Second)
			select {
			case <-left:
			case <-limit:
				t.Fatal("the end of the peer's stream is not noticed")
			}
			peer.(*net.TCPConn).SetLinger(0)
			peer.Close()
			select {
			case err := <-failed:
				if err != errGone {
					t.Errorf("reading has failed with %v, want %v", err, errGone)
				}
			case <-limit:
				t.Fatal("it is not noticed that the peer has gone")
			}
		})
	}
}
