package reliability

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// Many clients lose their server at once and find it again when it is back: all
// of them, soon, and spread evenly. Meanwhile each goes on sending: what is
// reported as confirmed has arrived, and nothing arrives twice.
//
// Verifies: RUNTIME-37, RUNTIME-38
func TestReconnectStorm(t *testing.T) {
	n, backoff, away := 200, time.Second, 2*time.Second
	if full {
		n, backoff, away = 5000, 30*time.Second, 40*time.Second
	}
	eachDriver(t, func(t *testing.T, d driver) {
		ledgers := make([]stormLedger, n)
		run := func(addr string) (*parley.Server, string, func()) {
			srv := &parley.Server{
				Protocol: tinyproto.Protocol{}, MaxConnsPerAddr: -1,
				Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
					var client, number int
					if _, err := fmt.Sscanf(m.Text(), "%d %d", &client, &number); err != nil {
						return err
					}
					ledgers[client].arrived(number)
					return nil
				}),
			}
			d.use(srv)
			if err := srv.Listen(addr); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); srv.Serve() }()
			return srv, srv.Addrs()[0].String(), func() { srv.Close(); <-ended }
		}
		_, addr, stop := run("127.0.0.1:0")

		var back sync.Map // client -> when it was connected again
		var returned atomic.Pointer[time.Time]
		clients := make([]*parley.Client, n)
		ctx, cancel := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		for i := range n {
			c := &parley.Client{
				Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: addr, MaxBackoff: backoff,
				OnState: func(s parley.State, _ error) {
					if at := returned.Load(); s == parley.StateConnected && at != nil {
						back.LoadOrStore(i, time.Since(*at))
					}
				},
			}
			clients[i] = c
			senders.Go(func() { ledgers[i].send(ctx, i, c, time.Duration(n)*200*time.Microsecond) })
		}
		defer func() {
			cancel()
			senders.Wait()
			for _, c := range clients {
				c.Close()
			}
		}()
		connected := func() (up int) {
			for _, c := range clients {
				if s, _ := c.State(); s == parley.StateConnected {
					up++
				}
			}
			return up
		}
		wait := func(what string) {
			t.Helper()
			for end := time.Now().Add(5 * time.Minute); connected() < n; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: only %d of %d are connected", what, connected(), n)
				}
			}
		}
		wait("at the beginning")
		time.Sleep(200 * time.Millisecond)

		stop()
		time.Sleep(away) // until the pauses have their full length
		now := time.Now()
		returned.Store(&now)
		_, _, stop = run(addr)
		wait("after the return")
		all := time.Since(now)
		time.Sleep(200 * time.Millisecond)
		cancel()
		senders.Wait()
		for _, c := range clients {
			c.Close()
		}
		stop()

		// How many came back in each tenth of the longest pause.
		const parts = 10
		var histogram [parts + 1]int
		back.Range(func(_, after any) bool {
			histogram[min(int(after.(time.Duration)*parts/backoff), parts)]++
			return true
		})
		peak := 0
		for _, k := range histogram {
			peak = max(peak, k)
		}
		mean := float64(n) / parts
		late := histogram[parts] // by the machine: nobody pauses longer
		sent, confirmed, twice, missing := 0, 0, 0, 0
		for i := range ledgers {
			l := &ledgers[i]
			sent += l.next
			confirmed += len(l.confirmed)
			twice += l.twice
			for _, number := range l.confirmed {
				if !l.got[number] {
					missing++
				}
			}
		}
		figure(t, "%d clients away for %v, longest pause %v: all back after %v, peak %.1f × mean of a tenth (%v); %d messages sent, %d confirmed, of these %d missing, %d arrived twice",
			n, away, backoff, all.Round(time.Millisecond), float64(peak)/mean, histogram, sent, confirmed, missing, twice)
		if all > within(min(60*time.Second, 2*backoff+2*time.Second)) {
			t.Errorf("it took %v", all)
		}
		// A random moment of a pause that is random between 0 and the longest
		// is rather near its end: the first tenth expects 1.9 × the mean.
		bound := 2.0
		if !full {
			bound = 6 // few clients are uneven by chance, and wait for other programs
		}
		if !full && late > n/4 {
			t.Logf("%d of %d were late, the machine is too busy to judge by the time", late, n)
		} else if float64(peak) > bound*mean {
			t.Errorf("%d came back in one tenth of the time, want at most %v × %v", peak, bound, mean)
		}
		if missing+twice > 0 || confirmed == 0 {
			t.Error("a message was lost or arrived twice")
		}
	})
}

// stormLedger is what one client has sent.
type stormLedger struct {
	next      int
	confirmed []int

	mu    sync.Mutex
	got   map[int]bool
	twice int
}

// send confirms one message after the other until ctx ends.
func (l *stormLedger) send(ctx context.Context, client int, c *parley.Client, pause time.Duration) {
	for ctx.Err() == nil {
		number := l.next
		l.next++
		err := c.Confirm(ctx, parley.Text(fmt.Sprintf("%d %d", client, number)))
		if err == nil {
			l.confirmed = append(l.confirmed, number)
		}
		if errors.Is(err, parley.ErrClientClosed) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (l *stormLedger) arrived(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.got == nil {
		l.got = map[int]bool{}
	}
	if l.got[number] {
		l.twice++
	}
	l.got[number] = true
}
