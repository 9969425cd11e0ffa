package parley_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-10, RUNTIME-41
func TestProgressTimeout(t *testing.T) {
	// trickle sends size bytes of a message, n every d, until somebody closes.
	trickle := func(peer *bare, n int, d time.Duration) {
		for range 10_000 {
			if _, err := peer.Write(make([]byte, n)); err != nil {
				return
			}
			time.Sleep(d)
		}
	}
	const limit = 30 * time.Second
	kinds := []struct {
		name, begin string
		protocol    parley.Protocol
		stream      bool
	}{
		{"head", "\x00", tinyproto.Protocol{}, false},
		{"small", tinyHead(1000), tinyproto.Protocol{}, false},
		{"large", tinyHead(10 << 20), tinyproto.Protocol{}, false},
		{"stream", tinyHead(100 << 20), tinyproto.Protocol{}, true},
		{"serpy", "abc", serpy.Protocol{}, false},
		{"serpy2", serpy2Text(strings.Repeat("x", 1000))[:50], serpy2.Protocol{}, false},
	}
	for _, k := range kinds {
		begin := func(t *testing.T, timeouts parley.Timeouts) (*parley.Conn, *bare, chan error) {
			hello := ""
			if k.protocol.Name() == "tinyproto" {
				hello = tinyHello
			}
			c, peer := barePipe(t, &parley.Dialer{Protocol: k.protocol, Timeouts: timeouts}, hello)
			go io.Copy(io.Discard, peer)
			peer.say(k.begin)
			streamed := make(chan error, 1)
			go func() {
				if !k.stream {
					return
				}
				s, err := c.ReceiveStream(t.Context())
				if err == nil {
					_, err = io.Copy(io.Discard, s)
				}
				streamed <- err
			}()
			return c, peer, streamed
		}
		bubble(t, k.name+"/stalled", func(t *testing.T) {
			c, _, streamed := begin(t, parley.Timeouts{})
			start := time.Now()
			<-c.Done()
			wantTimeout(t, c.Err(), "bytes in 30s", time.Since(start), limit)
			if k.stream {
				wantTimeout(t, <-streamed, "bytes in 30s", time.Since(start), limit)
			}
		})
		bubble(t, k.name+"/switched off", func(t *testing.T) {
			c, _, streamed := begin(t, parley.Timeouts{Progress: -1})
			time.Sleep(100 * time.Hour)
			if err := c.Err(); err != nil {
				t.Errorf("cut without a limit: %v", err)
			}
			c.CloseNow()
			if k.stream {
				<-streamed
			}
		})
		if strings.Contains("large stream serpy", k.name) {
			bubble(t, k.name+"/slow", func(t *testing.T) {
				c, peer, streamed := begin(t, parley.Timeouts{})
				var wg sync.WaitGroup
				wg.Go(func() { trickle(peer, 900, time.Second) })
				start := time.Now()
				<-c.Done()
				wg.Wait()
				wantTimeout(t, c.Err(), "bytes in 30s", time.Since(start), limit)
				if k.stream {
					<-streamed
				}
			})
			bubble(t, k.name+"/fast enough", func(t *testing.T) {
				c, peer, streamed := begin(t, parley.Timeouts{})
				var wg sync.WaitGroup
				wg.Go(func() { trickle(peer, 110, 100*time.Millisecond) })
				time.Sleep(10 * time.Minute)
				if err := c.Err(); err != nil {
					t.Errorf("cut at 1.1 KB/s: %v", err)
				}
				c.CloseNow()
				wg.Wait()
				if k.stream {
					<-streamed
				}
			})
		}
	}
	bubble(t, "oneline has none", func(t *testing.T) {
		l := newMemory()
		serve(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo)}, l)
		peer := l.dial(t)
		peer.say("somebody ty")
		time.Sleep(time.Hour)
		go io.WriteString(peer, "pes\n")
		peer.hear("somebody types\n")
	})
	bubble(t, "a slow program", func(t *testing.T) {
		// The peer is not to blame when it is the program that takes its time.
		c, peer := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxMessage: 1000}}, tinyHello)
		go io.Copy(io.Discard, peer)
		go io.WriteString(peer, tinyHead(3000)+strings.Repeat("x", 3000))
		s, err := c.ReceiveStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			time.Sleep(time.Minute)
			if _, err := io.ReadFull(s, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}
