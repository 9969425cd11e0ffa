package reliability

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/faultproxy"
)

// arrivals is what has arrived at a server of numbered messages.
type arrivals struct {
	mu       sync.Mutex
	got      map[string]map[int]int // how often, by sender and number
	awaited  map[string][]int       // confirmed, but not here when somebody looked
	bad      []string
	total    int
	repeated int // of those that are forgotten
}

func newArrivals() *arrivals { return &arrivals{got: map[string]map[int]int{}} }

// numbered is the body of message n of a sender: its number and a pattern that
// shows any change.
func numbered(sender string, n, size int) []byte {
	b := fmt.Appendf(nil, "%s:%d:", sender, n)
	for i := len(b); i < size; i++ {
		b = append(b, 'a'+byte((i+n)%26))
	}
	return b
}

// ServeMessage notes a message.
func (a *arrivals) ServeMessage(_ context.Context, _ *parley.Conn, m parley.Message) error {
	var sender string
	var n int
	text := m.Text()
	for i := range text {
		if text[i] == ':' {
			sender = text[:i]
			fmt.Sscanf(text[i+1:], "%d:", &n)
			break
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total++
	if text != string(numbered(sender, n, len(text))) {
		a.bad = append(a.bad, fmt.Sprintf("%.60q", text))
	}
	if a.got[sender] == nil {
		a.got[sender] = map[int]int{}
	}
	a.got[sender][n]++
	return nil
}

// confirmed notes that the confirmation of message n has come. The message may
// just be on its way to the handler.
func (a *arrivals) confirmed(sender string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.got[sender][n] > 0 {
		return
	}
	if a.awaited == nil {
		a.awaited = map[string][]int{}
	}
	a.awaited[sender] = append(a.awaited[sender], n)
}

// missing returns the confirmed messages of which nothing has arrived, by
// sender. It is called when nothing more can.
func (a *arrivals) missing() map[string][]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	lost := map[string][]int{}
	for sender, numbers := range a.awaited {
		for _, n := range numbers {
			if a.got[sender][n] == 0 {
				lost[sender] = append(lost[sender], n)
			}
		}
	}
	return lost
}

// forget drops what is known of a sender that says no more, unless a message of
// it is awaited.
func (a *arrivals) forget(sender string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	awaited := slices.DeleteFunc(a.awaited[sender], func(n int) bool { return a.got[sender][n] > 0 })
	if len(awaited) > 0 {
		a.awaited[sender] = awaited
		return
	}
	delete(a.awaited, sender)
	for _, times := range a.got[sender] {
		if times > 1 {
			a.repeated++
		}
	}
	delete(a.got, sender)
}

// twice returns how many messages have arrived more than once.
func (a *arrivals) twice() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.repeated
	for _, got := range a.got {
		for _, times := range got {
			if times > 1 {
				n++
			}
		}
	}
	return n
}

// begun counts the tinyproto messages of which a server has read the size but,
// when the connection ended, not the rest. Streams do not count.
type begun struct {
	mu    sync.Mutex
	sizes map[*parley.Conn]heads
	cut   int
}

// heads are the sizes that have been read on one connection.
type heads struct {
	count uint64
	last  uint32
}

func (b *begun) trace(t parley.Trace) {
	if t.Sent || t.What != "offer" && t.What != "message" || len(t.Bytes) < 4 { // no size in it
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.sizes[t.Conn]
	h.count++
	h.last = binary.BigEndian.Uint32(t.Bytes)
	b.sizes[t.Conn] = h
}

func (b *begun) closed(c *parley.Conn, _ error) {
	whole := c.Stats().MessagesIn
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.sizes[c]; h.count > whole && h.last < 256<<10 {
		b.cut++
	}
	delete(b.sizes, c)
}

func (b *begun) total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut
}

// Confirm over a network that delays, stalls, is slow, resets or is cut in one
// direction: it returns nil only if the peer has the message, nothing is
// changed, and nothing arrives twice. On tinyproto a peer confirms when it has
// read the size: there a message whose connection is reset behind that may be
// missing, and no other.
//
// Verifies: RUNTIME-17, SERPY-20, SERPY-21, TINYPROTO-19, TINYPROTO-20
func TestConfirmOverFaults(t *testing.T) {
	partition := 1500 * time.Millisecond
	answer := 500 * time.Millisecond
	if full {
		partition, answer = 30*time.Second, 10*time.Second
	}
	cases := []struct {
		name   string
		faults faultproxy.Faults
		during func(p *faultproxy.Proxy, stop <-chan struct{})
		fails  bool // some confirmations must fail
	}{
		{name: "delay 200 ms", faults: faultproxy.Faults{Delay: 200 * time.Millisecond, Jitter: 50 * time.Millisecond}},
		{name: "5 % stalls", faults: faultproxy.Faults{StallChance: 0.05, Stall: 300 * time.Millisecond, Slice: 500}},
		{name: "100 KB a second", faults: faultproxy.Faults{Bandwidth: 100_000}},
		{name: "resets", faults: faultproxy.Faults{Slice: 700, Delay: time.Millisecond}, fails: true, during: func(p *faultproxy.Proxy, stop <-chan struct{}) {
			for tick := time.NewTicker(50 * time.Millisecond); ; {
				select {
				case <-tick.C:
					p.Reset()
				case <-stop:
					tick.Stop()
					return
				}
			}
		}},
		{name: "partition to the server", fails: true, during: hold(faultproxy.ToServer, partition)},
		{name: "partition to the client", fails: true, during: hold(faultproxy.ToClient, partition)},
	}
	eachDriver(t, func(t *testing.T, d driver) {
		for _, w := range []form{formOf("tinyproto"), formOf("serpy-acknowledged")} {
			for _, c := range cases {
				t.Run(w.name+"/"+c.name, func(t *testing.T) {
					together(t)
					answer := answer
					if !c.fails {
						answer = 20 * time.Second
					}
					arrived := newArrivals()
					cut := begun{sizes: map[*parley.Conn]heads{}}
					srv := &parley.Server{Protocol: w.protocol, Handler: arrived, Trace: cut.trace, Hooks: parley.Hooks{OnClose: cut.closed}, Timeouts: parley.Timeouts{Answer: answer}}
					proxy, err := faultproxy.Listen(start(t, d, srv), c.faults)
					if err != nil {
						t.Fatal(err)
					}
					defer proxy.Close()
					client := &parley.Client{
						Dialer:     parley.Dialer{Protocol: w.protocol, Timeouts: parley.Timeouts{Answer: answer, Handshake: answer}},
						Addr:       proxy.Addr(),
						MaxBackoff: 50 * time.Millisecond,
					}
					defer client.Close()
					stop, stopped := make(chan struct{}), make(chan struct{})
					if c.during == nil {
						c.during = func(_ *faultproxy.Proxy, stop <-chan struct{}) { <-stop }
					}
					go func() { defer close(stopped); c.during(proxy, stop) }()

					lasting := 2 * time.Second
					if c.fails {
						lasting = max(lasting, partition+answer)
					}
					confirmed, failed := confirmFor(client, w.name, lasting, answer, c.fails, arrived)
					close(stop)
					<-stopped
					client.Close()
					srv.Close()
					eventually(t, "the connections to end", func() bool { return srv.Stats().Open == 0 })
					missing, allowed := 0, 0
					for _, numbers := range arrived.missing() {
						missing += len(numbers)
					}
					if w.name == "tinyproto" {
						allowed = cut.total()
					}
					figure(t, "%d confirmed, %d failed, %d arrived; of the confirmed %d were missing (%d were cut behind their size), %d changed, %d arrived twice",
						confirmed, failed, arrived.total, missing, allowed, len(arrived.bad), arrived.twice())
					if missing > allowed || len(arrived.bad) > 0 || arrived.twice() > 0 {
						t.Errorf("want none; changed: %v", arrived.bad)
					}
					if confirmed == 0 || c.fails && failed == 0 || !c.fails && failed > 0 {
						t.Errorf("the case shows nothing")
					}
				})
			}
		}
	})
}

// hold cuts one direction for a while, soon.
func hold(d faultproxy.Direction, partition time.Duration) func(*faultproxy.Proxy, <-chan struct{}) {
	return func(p *faultproxy.Proxy, stop <-chan struct{}) {
		time.Sleep(200 * time.Millisecond)
		p.Hold(d)
		defer p.Release(d)
		select {
		case <-time.After(partition):
		case <-stop:
		}
	}
}

// confirmFor confirms numbered messages of several senders for a time, on a busy
// machine longer: until there is something to judge, also of failures if there
// must be some.
func confirmFor(client *parley.Client, name string, lasting, patience time.Duration, fails bool, a *arrivals) (confirmed, failed int) {
	var mu sync.Mutex
	var senders sync.WaitGroup
	end := time.Now().Add(lasting)
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().After(end) && (confirmed > 0 && (failed > 0 || !fails) || time.Now().After(end.Add(time.Minute)))
	}
	for s := range 4 {
		senders.Go(func() {
			sender := fmt.Sprintf("%s-%d", name, s)
			for n := 0; !enough(); n++ {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				err := client.Confirm(ctx, parley.Bytes(numbered(sender, n, 20+n%50*37)))
				cancel()
				mu.Lock()
				if err != nil {
					failed++
				} else {
					confirmed++
					a.confirmed(sender, n)
				}
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	return confirmed, failed
}

// soon waits until cond holds, which should not take longer than a busy machine
// needs to run another goroutine.
func soon(cond func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return true
		}
	}
	return cond()
}
