package wiretest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/parley-net/parley/wire"
)

// PluginConformance checks what the contract of [wire.Transform] asks of every plugin:
//
//   - what one end's Send has made the other end's Receive undoes, in both directions
//     and in the order of sending, for messages from none to 100,000 bytes;
//   - both append: what was in dst stays, p is not changed, and the result shares no
//     memory with p and keeps nothing of it;
//   - Receive never returns more than maxMessage bytes, and a message of exactly so
//     many arrives;
//   - changed and shortened input, behind a good first message, gives a message or an
//     error, never a panic; a message behind it arrives as it was, or is an error too,
//     where the plugin trusts the peer no more;
//   - Send and Receive may run at the same time (run the test with -race).
//
// newPlugin makes the plugin; it is called for each of two ends, as keys or the like
// may be theirs. samples are messages that matter to the plugin, besides those that
// the test makes.
func PluginConformance(t *testing.T, newPlugin func() wire.Plugin, samples ...[]byte) {
	messages := append(pluginMessages(), samples...)
	t.Run("round trip", func(t *testing.T) { roundTrip(t, newPlugin, messages) })
	t.Run("limit", func(t *testing.T) { pluginLimit(t, newPlugin) })
	t.Run("damage", func(t *testing.T) { pluginDamage(t, newPlugin, messages) })
	t.Run("concurrent", func(t *testing.T) { pluginConcurrent(t, newPlugin, messages) })
}

const pluginMax = 200_000

// pluginMessages are empty, small and large ones, monotonous ones and random ones.
func pluginMessages() (all [][]byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 7, 16, 255, 256, 4096, 65_536, 100_000} {
		random := make([]byte, n)
		for i := range random {
			random[i] = byte(rng.Uint32())
		}
		all = append(all, bytes.Repeat([]byte{'a'}, n), random)
	}
	return all
}

// pluginEnds returns the transforms of the two ends of a connection.
func pluginEnds(newPlugin func() wire.Plugin, maxMessage int64) (ends [2]wire.Transform) {
	for _, r := range []wire.Role{wire.Dialing, wire.Accepting} {
		ends[r] = newPlugin().New(r, maxMessage)
	}
	return ends
}

// borrowed calls f with bytes that are overwritten afterwards, and with a dst that is
// not empty.
func borrowed(tb testing.TB, what string, f func(dst, p []byte) ([]byte, error), p []byte) ([]byte, error) {
	tb.Helper()
	const before = "before"
	lent := bytes.Clone(p)
	out, err := f(append(make([]byte, 0, 64), before...), lent)
	if !bytes.Equal(lent, p) {
		tb.Fatalf("%s has changed p, which is borrowed", what)
	}
	if err != nil {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(out, []byte(before))
	if !ok {
		tb.Fatalf("%s has not appended to dst: that began with %q, and is now %s", what, before, clip(out))
	}
	result := bytes.Clone(rest)
	for i := range lent {
		lent[i] ^= 0xff
	}
	if !bytes.Equal(rest, result) {
		tb.Fatalf("%s returns bytes that share the memory of p", what)
	}
	for i := range out { // it is used again
		out[i] = 0xdb
	}
	return result, nil
}

func roundTrip(tb testing.TB, newPlugin func() wire.Plugin, messages [][]byte) {
	ends := pluginEnds(newPlugin, pluginMax)
	for round := range 2 {
		for _, from := range []wire.Role{wire.Dialing, wire.Accepting} {
			for _, m := range messages {
				sent := mustTransform(tb, ends[from], m)
				got, err := borrowed(tb, "Receive", ends[from.Peer()].Receive, sent)
				if err != nil || !bytes.Equal(got, m) {
					tb.Fatalf("round %d: %v sends %s, and the other end receives %s, %v", round+1, from, clip(m), clip(got), err)
				}
			}
		}
	}
}

func mustTransform(tb testing.TB, t wire.Transform, m []byte) []byte {
	tb.Helper()
	sent, err := borrowed(tb, "Send", t.Send, m)
	if err != nil {
		tb.Fatalf("Send of %s: %v", clip(m), err)
	}
	return sent
}

func pluginLimit(tb testing.TB, newPlugin func() wire.Plugin) {
	const most = 1000
	big := pluginEnds(newPlugin, pluginMax)[wire.Dialing]
	small := pluginEnds(newPlugin, most)[wire.Accepting]
	for _, n := range []int{most, most + 1, 50 * most, most} {
		m := bytes.Repeat([]byte{'a'}, n)
		got, err := borrowed(tb, "Receive", small.Receive, mustTransform(tb, big, m))
		switch {
		case n > most && err == nil:
			tb.Fatalf("Receive returns %d bytes, maxMessage is %d", len(got), most)
		case n > most && !errors.Is(err, wire.ErrTooLarge):
			tb.Errorf("Receive of %d bytes, when maxMessage is %d: %v; want an error that matches wire.ErrTooLarge", n, most, err)
		case n <= most && (err != nil || !bytes.Equal(got, m)):
			tb.Fatalf("a message of %d bytes, when maxMessage is %d: %s, %v", n, most, clip(got), err)
		}
	}
}

func pluginDamage(tb testing.TB, newPlugin func() wire.Plugin, messages [][]byte) {
	rng := rand.New(rand.NewPCG(3, 4))
	ends := pluginEnds(newPlugin, pluginMax)
	first := mustTransform(tb, ends[wire.Dialing], []byte("first")) // it may bring what the others need
	if _, err := borrowed(tb, "Receive", ends[wire.Accepting].Receive, first); err != nil {
		tb.Fatalf("Receive of the first message: %v", err)
	}
	for i := range 500 {
		m := messages[rng.IntN(len(messages))]
		m = m[:min(len(m), 3000)]
		bad := mustTransform(tb, ends[wire.Dialing], m)
		for range 1 + rng.IntN(3) {
			bad = mutate(bad, rng)
		}
		if i%5 == 0 {
			bad = bad[:rng.IntN(len(bad)+1)]
		}
		got, err := borrowed(tb, "Receive", ends[wire.Accepting].Receive, bad)
		if err == nil && len(got) > pluginMax {
			tb.Fatalf("Receive of damaged bytes returns %d, maxMessage is %d", len(got), pluginMax)
		}
		good := []byte(fmt.Sprint("message ", i))
		if got, err = borrowed(tb, "Receive", ends[wire.Accepting].Receive, mustTransform(tb, ends[wire.Dialing], good)); err == nil && !bytes.Equal(got, good) {
			tb.Fatalf("behind damaged bytes (%s) a good message arrives as %s", clip(bad), clip(got))
		}
	}
}

func pluginConcurrent(tb testing.TB, newPlugin func() wire.Plugin, messages [][]byte) {
	ends := pluginEnds(newPlugin, pluginMax)
	var ways [2]chan []byte
	for i := range ways {
		ways[i] = make(chan []byte, 1)
	}
	failed := make(chan string, 4)
	var wg sync.WaitGroup
	for _, r := range []wire.Role{wire.Dialing, wire.Accepting} {
		wg.Go(func() {
			defer close(ways[r])
			for _, m := range messages {
				sent, err := ends[r].Send(nil, m)
				if err != nil {
					failed <- fmt.Sprintf("Send of %s: %v", clip(m), err)
					return
				}
				ways[r] <- sent
			}
		})
		wg.Go(func() {
			i := 0
			for sent := range ways[r.Peer()] {
				if got, err := ends[r].Receive(nil, sent); err != nil || !bytes.Equal(got, messages[i]) {
					failed <- fmt.Sprintf("while both ends send: %s arrives as %s, %v", clip(messages[i]), clip(got), err)
					for range ways[r.Peer()] { // let the other end finish
					}
					return
				}
				i++
			}
		})
	}
	wg.Wait()
	close(failed)
	for what := range failed {
		tb.Error(what)
	}
}
