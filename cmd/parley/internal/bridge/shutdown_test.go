package bridge

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// A target that takes everything and says nothing holds up the end of the bridge no longer
// than Shutdown may take, whatever it owes.
func TestShutdownWithASilentTarget(t *testing.T) {
	for _, from := range []parley.Protocol{ser, ser2, lined} {
		for _, to := range []parley.Protocol{ser, ser2, lined} {
			bubble(t, from.Name()+" to "+to.Name(), func(t *testing.T) {
				const drain = 2 * time.Second
				s := bridged(t, from, to, silent, nil)
				s.dialTarget = func(d *parley.Dialer) (*parley.Conn, error) {
					ours, theirs := net.Pipe()
					go io.Copy(io.Discard, theirs)
					return d.NewConn(context.Background(), ours)
				}
				c := s.client()
				for range 3 {
					go c.Send(context.Background(), parley.Text("anybody there?")) // it may wait for ever
				}
				time.Sleep(time.Second)
				begun := time.Now()
				end, over := context.WithTimeout(t.Context(), drain)
				defer over()
				defer context.AfterFunc(end, s.Cut)()
				s.front.Shutdown(end)
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(s.targets) != 1 {
					t.Fatal("connections with the target:", len(s.targets))
				}
				<-s.targets[0].Done()
				if took := time.Since(begun); took > drain+time.Millisecond {
					t.Errorf("the end took %v, want at most %v", took, drain)
				}
			})
		}
	}
}
