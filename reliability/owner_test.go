package reliability

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// tokens is a device that says which token came last: each message's must be at least
// that. A history of messages is sound if it can be put in an order that agrees with the
// time, in which no token is smaller than the one before it. So an owner of before that
// still sends shows, and so do two at once.
var tokens = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, _ any) (bool, any) { return input.(uint64) >= state.(uint64), input },
}

// The checker finds a history in which two had the device, and takes no other one for such.
//
// Verifies: CLUSTER-17
func TestTokenChecker(t *testing.T) {
	type use struct {
		token     uint64
		from, end int64
	}
	for name, c := range map[string]struct {
		uses  []use
		sound bool
	}{
		"one after the other":       {[]use{{1, 0, 10}, {1, 10, 20}, {2, 30, 40}, {5, 50, 60}}, true},
		"at once, in either order":  {[]use{{2, 0, 10}, {1, 5, 20}}, true},
		"an owner of before":        {[]use{{1, 0, 10}, {2, 20, 30}, {1, 40, 50}}, false},
		"an owner of before, later": {[]use{{1, 0, 10}, {2, 20, 30}, {2, 30, 40}, {3, 40, 50}, {1, 60, 70}}, false},
		"two take turns":            {[]use{{1, 0, 10}, {2, 11, 20}, {1, 21, 30}, {2, 31, 40}}, false},
		"a long one hides nothing":  {[]use{{2, 0, 10}, {1, 11, 20}, {1, 5, 100}}, false},
	} {
		var all []porcupine.Operation
		for i, u := range c.uses {
			all = append(all, porcupine.Operation{ClientId: i, Input: u.token, Call: u.from, Return: u.end})
		}
		if got := porcupine.CheckOperations(tokens, all); got != c.sound {
			t.Errorf("%s: sound is %v", name, got)
		}
	}
}

// history is what came to the device.
type history struct {
	mu    sync.Mutex
	rng   *rand.Rand
	begun time.Time
	all   []porcupine.Operation
	last  uint64
	turns int                   // how often the token has changed
	used  map[int]time.Duration // when each client's last message began
}

// use is one message to the device: it takes some time.
func (h *history) use(client int, token uint64) {
	call := time.Since(h.begun)
	h.mu.Lock()
	if token != h.last {
		h.last = token
		h.turns++
	}
	h.used[client] = call
	d := time.Duration(h.rng.IntN(50)) * time.Millisecond
	h.mu.Unlock()
	time.Sleep(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, porcupine.Operation{ClientId: client, Input: token, Call: int64(call), Return: int64(time.Since(h.begun))})
}

// usedByOthers reports whether a message of another client than this one has begun behind a time.
func (h *history) usedByOthers(client int, from time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for by, at := range h.used {
		if by != client && at > from {
			return true
		}
	}
	return false
}

// wireToBus is a node's way to the bus, which can be cut.
type wireToBus struct {
	bus.Bus
	mu  sync.Mutex
	cut bool
}

func (w *wireToBus) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}

func (w *wireToBus) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return bus.ErrNoBus
	}
	return nil
}

func (w *wireToBus) Status() bus.Status {
	s := w.Bus.Status()
	s.Up = s.Up && w.err() == nil
	return s
}

func (w *wireToBus) Publish(ctx context.Context, subject string, data []byte) error {
	if err := w.err(); err != nil {
		return err
	}
	return w.Bus.Publish(ctx, subject, data)
}

func (w *wireToBus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if err := w.err(); err != nil {
		return nil, err
	}
	return w.Bus.Request(ctx, subject, data)
}

func (w *wireToBus) Subscribe(subject string, o bus.SubscribeOptions, fn func(bus.Message)) (bus.Subscription, error) {
	return w.Bus.Subscribe(subject, o, func(m bus.Message) {
		if w.err() == nil {
			fn(m)
		}
	})
}

func (w *wireToBus) Bucket(ctx context.Context, name string, o bus.BucketOptions) (bus.Bucket, error) {
	if err := w.err(); err != nil {
		return nil, err
	}
	k, err := w.Bus.Bucket(ctx, name, o)
	return bucketByWire{k, w}, err
}

type bucketByWire struct {
	bus.Bucket
	w *wireToBus
}

// write does a write whose answer may be lost where the wire is cut meanwhile.
func (k bucketByWire) write(do func() (uint64, error)) (uint64, error) {
	if err := k.w.err(); err != nil {
		return 0, err
	}
	rev, err := do()
	if cut := k.w.err(); cut != nil {
		return 0, cut
	}
	return rev, err
}

func (k bucketByWire) Create(ctx context.Context, key string, v []byte) (uint64, error) {
	return k.write(func() (uint64, error) { return k.Bucket.Create(ctx, key, v) })
}

func (k bucketByWire) Update(ctx context.Context, key string, v []byte, rev uint64) (uint64, error) {
	return k.write(func() (uint64, error) { return k.Bucket.Update(ctx, key, v, rev) })
}

func (k bucketByWire) Delete(ctx context.Context, key string, rev uint64) error {
	_, err := k.write(func() (uint64, error) { return 0, k.Bucket.Delete(ctx, key, rev) })
	return err
}

func (k bucketByWire) Get(ctx context.Context, key string) (bus.Entry, error) {
	if err := k.w.err(); err != nil {
		return bus.Entry{}, err
	}
	return k.Bucket.Get(ctx, key)
}

// candidate is a node that takes part in the device's ownership, and asks it all the time.
type candidate struct {
	number int
	wire   *wireToBus
	node   *cluster.Node
	owner  *cluster.Owner
	dead   chan struct{}
}

// startCandidate starts one. What it does to the device when it was killed is nothing.
func startCandidate(t *testing.T, m *bus.Memory, number int, h *history) *candidate {
	c := &candidate{number: number, wire: &wireToBus{Bus: m.Connect()}, dead: make(chan struct{})}
	var err error
	if c.node, err = cluster.Start(t.Context(), c.wire, cluster.Options{Name: strconv.Itoa(number)}); err != nil {
		t.Fatal(err)
	}
	if c.owner, err = c.node.Own("psu1", cluster.OwnerOptions{Do: func(ctx context.Context, token uint64, _ parley.Message) ([]parley.Message, error) {
		select {
		case <-c.dead:
			return nil, context.Canceled
		default:
		}
		h.use(number, token)
		return nil, nil
	}}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			select {
			case <-c.dead:
				return
			case <-time.After(100 * time.Millisecond):
				c.owner.Call(t.Context(), parley.Text("x")) // an error is what the table of promises says
			}
		}
	}()
	return c
}

// kill is kill -9: nothing is said to anybody.
func (c *candidate) kill() {
	close(c.dead)
	c.wire.set(true)
	c.wire.Bus.Close()
}

// close ends it, and waits.
func (c *candidate) close() {
	select {
	case <-c.dead:
	default:
		close(c.dead)
	}
	c.owner.Close(context.Background())
	c.node.Close(context.Background())
	c.wire.Bus.Close()
}

// The owner is killed 50 times and cut off 20 times, for 1 to 60 s, at random; each message
// that reaches the device has a token, and no token is smaller than one before it. Virtual
// time; PARLEY_SEEDS has more rounds.
//
// Verifies: CLUSTER-17
func TestTokenLog(t *testing.T) {
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("PARLEY_SEEDS")); err == nil {
		rounds = max(n/100, 1)
	}
	for seed := range rounds {
		synctest.Test(t, func(t *testing.T) { tokenLog(t, uint64(seed)) })
	}
}

func tokenLog(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 16))
	m, h := new(bus.Memory), &history{begun: time.Now(), rng: rand.New(rand.NewPCG(seed, 61)), used: make(map[int]time.Duration)}
	var all []*candidate
	number := 0
	add := func() {
		all = append(all, startCandidate(t, m, number, h))
		number++
	}
	for range 3 {
		add()
	}
	kills, splits := 50, 20
	var longest time.Duration
	for kills+splits > 0 {
		time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
		i := owning(all)
		if i < 0 {
			i = rng.IntN(len(all))
		}
		// Where nobody has the device now, somebody may be about to have it again: a lease that was
		// not renewed for 15 s while its owner was cut off, and is behind it, is the same owner's.
		// So what is waited for is that another one than the victim uses it, not that the token grows.
		victim, begun, from := all[i].number, time.Now(), time.Since(h.begun)
		healed := time.Duration(0)
		if rng.IntN(kills+splits) < kills {
			kills--
			all[i].kill()
			go all[i].close()
			all = append(all[:i:i], all[i+1:]...)
			add()
		} else {
			splits--
			healed = time.Duration(1+rng.IntN(60)) * time.Second // none at all is no split
			wire := all[i].wire
			wire.set(true)
			time.AfterFunc(healed, func() { wire.set(false) })
		}
		for !h.usedByOthers(victim, from) && time.Since(begun) < 40*time.Second && (healed == 0 || healed > 15*time.Second) {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(begun); !h.usedByOthers(victim, from) && (healed == 0 || healed > 30*time.Second) {
			t.Errorf("seed %d: no other owner %v behind a kill or a split of node %d", seed, took, victim)
		} else {
			longest = max(longest, took)
		}
		time.Sleep(max(healed-time.Since(begun), 0) + time.Second) // one after the other
	}
	for _, c := range all {
		c.close()
	}
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !porcupine.CheckOperations(tokens, h.all) {
		t.Errorf("seed %d: a token came behind a larger one: two nodes had the device", seed)
	}
	t.Logf("seed %d: %d messages, %d owners, the longest time to a new one %v", seed, len(h.all), h.turns, longest)
	if h.turns < 50 {
		t.Errorf("only %d owners", h.turns)
	}
	// The checker finds what it should: a history with an owner of before is not sound.
	end := h.all[len(h.all)-1]
	bad := append(h.all[:len(h.all):len(h.all)], porcupine.Operation{Input: end.Input.(uint64) - 1, Call: end.Return + 1, Return: end.Return + 2})
	if porcupine.CheckOperations(tokens, bad) {
		t.Error("the checker takes an old token for sound")
	}
}

// owning returns who has the device, or -1.
func owning(all []*candidate) int {
	for i, c := range all {
		if _, ok := c.owner.Holds(); ok {
			return i
		}
	}
	return -1
}
