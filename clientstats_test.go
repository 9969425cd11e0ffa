package parley_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// A client of a server that says two messages and goes, again and again: its
// messages come as one sequence, its counters are those of all connections, and
// what a peer must be told each time OnOpen tells.
//
// Verifies: RUNTIME-69, RUNTIME-37
func TestClientMessages(t *testing.T) {
	bubble(t, "virtual time", func(t *testing.T) {
		l := newMemory()
		logins := 0
		serve(t, &parley.Server{
			Protocol: serpy2.Protocol{},
			Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				logins++
				c.Send(ctx, parley.Text("one"))
				c.Send(ctx, parley.Text("two"))
				go c.Close()
				return nil
			}),
		}, l)
		refuse := 0
		d := parley.Dialer{
			Protocol: serpy2.Protocol{},
			Hooks: parley.Hooks{OnOpen: func(ctx context.Context, c *parley.Conn) error {
				return c.Send(ctx, parley.Text("login"))
			}},
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				if refuse > 0 {
					refuse--
					return nil, errors.New("not now")
				}
				return l.dial(t), nil
			},
		}
		c := &parley.Client{Dialer: d, Addr: "device:1"} // d is copied
		var got []string
		for m, err := range c.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, m.Text()); len(got) == 2 {
				refuse = 3
			}
			if len(got) == 6 {
				break
			}
		}
		if len(got) != 6 || got[0] != "one" || got[5] != "two" || logins != 3 {
			t.Errorf("got %q after %d logins", got, logins)
		}
		time.Sleep(time.Millisecond)
		select {
		case <-c.Done():
			t.Error("Done before Close")
		default:
		}
		if st := c.Stats(); st.Connected < 3 || st.Failed != 3 || st.Total.MessagesIn < 6 || st.Total.MessagesOut < 3 {
			t.Errorf("%+v", st)
		}
		before := c.Stats()
		c.Close()
		<-c.Done()
		if st := c.Stats(); st.Failed != before.Failed || st.Total.MessagesIn < before.Total.MessagesIn {
			t.Errorf("after Close %+v, before %+v", st, before)
		}
		for m, err := range c.Messages(t.Context()) {
			t.Errorf("after Close: %v, %v", m, err)
		}
	})
}

// A client that gives up tells Done, and Messages why.
//
// Verifies: RUNTIME-69
func TestClientGivesUp(t *testing.T) {
	bubble(t, "virtual time", func(t *testing.T) {
		broken := errors.New("no route")
		c := &parley.Client{
			Dialer: parley.Dialer{Protocol: serpy2.Protocol{}, NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, broken }},
			Addr:   "device:1", MaxAttempts: 4,
		}
		n := 0
		for _, err := range c.Messages(t.Context()) {
			n++
			if !errors.Is(err, parley.ErrClientClosed) || !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
		}
		<-c.Done()
		if st := c.Stats(); n != 1 || st.Failed != 4 || st.Connected != 0 {
			t.Errorf("%d errors, %+v", n, st)
		}
	})
	c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: "device:1"}
	c.Close()
	<-c.Done() // also when it has never begun
}
