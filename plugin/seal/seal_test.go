package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/plugin/seal"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// The key and the time of the recorded messages below.
var (
	testKey  = must(hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"))
	testTime = time.Unix(1_700_000_000, 0)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newPlugin returns a plugin whose clock stands still at testTime plus skew.
func newPlugin(t testing.TB, skew time.Duration) *seal.Plugin {
	t.Helper()
	p, err := seal.New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	p.Now = func() time.Time { return testTime.Add(skew) }
	return p
}

// connect returns the two ends of a connection.
func connect(dialing, accepting *seal.Plugin) (d, a wire.Transform) {
	return dialing.New(wire.Dialing, 1<<20), accepting.New(wire.Accepting, 1<<20)
}

// sealed is what from makes of messages.
func sealed(t testing.TB, from wire.Transform, messages ...string) [][]byte {
	t.Helper()
	var all [][]byte
	for _, m := range messages {
		p, err := from.Send([]byte("before"), []byte(m))
		if err != nil || string(p[:6]) != "before" {
			t.Fatalf("Send: %.10q, %v", p, err)
		}
		all = append(all, p[6:])
	}
	return all
}

// receives checks that to accepts p as message.
func receives(t testing.TB, to wire.Transform, p []byte, message string) {
	t.Helper()
	in := bytes.Clone(p)
	if got, err := to.Receive([]byte("before"), in); err != nil || string(got) != "before"+message {
		t.Errorf("Receive = %.60q, %v, want %.60q", got, err, "before"+message)
	}
	if !bytes.Equal(in, p) {
		t.Error("Receive changed its input")
	}
}

// refuses checks that to refuses p for the reason want.
func refuses(t testing.TB, to wire.Transform, p []byte, want error) {
	t.Helper()
	if got, err := to.Receive([]byte("before"), p); !errors.Is(err, want) || string(got) != "before" {
		t.Errorf("Receive = %.60q, %v, want the error %q", got, err, want)
	}
}

// Verifies: WIRE-08
func TestConformance(t *testing.T) {
	wiretest.PluginConformance(t, func() wire.Plugin { return newPlugin(t, 0) })
}

// The bytes were made with Python's hmac module and the AESGCM of its
// cryptography package, from the package's description: key testKey, salt
// 40…4f, time testTime.
//
// Verifies: PLUGIN-05
func TestBytes(t *testing.T) {
	a := newPlugin(t, 0).New(wire.Accepting, 100)
	for _, c := range []struct{ sealed, message string }{
		{recordedFirst, "hello"},
		{"e4dbe32132474920f7dcb58acddd0d2e", ""},
		{"4f69b03068721757328f94f364ca51c62a85120a53", "again"},
	} {
		receives(t, a, must(hex.DecodeString(c.sealed)), c.message)
	}
	d := newPlugin(t, 0).New(wire.Dialing, 100)
	p := sealed(t, d, "hello", "again")
	if len(p[0]) != 73+5 || len(p[1]) != 16+5 || p[0][0] != 3 || !bytes.Equal(p[0][17:25], must(hex.DecodeString(recordedFirst))[17:25]) {
		t.Errorf("sealed are % x and % x", p[0], p[1])
	}
}

const recordedFirst = "03404142434445464748494a4b4c4d4e4f17979cfe362a000007f442473a7cce69a9fd307743fc8c21d8d05ee68bcfb7f82137758bd9ccb6e29448f9f0de7f58aafd8f2029fc19b6a645e61013b2"

// Verifies: PLUGIN-05
func TestRoundTrip(t *testing.T) {
	d, a := connect(newPlugin(t, 0), newPlugin(t, 0))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		from, to := d, a
		if rng.IntN(2) == 0 {
			from, to = a, d
		}
		m := make([]byte, rng.IntN(300))
		for i := range m {
			m[i] = byte(rng.Uint32())
		}
		p := sealed(t, from, string(m))[0]
		if len(m) > 8 && bytes.Contains(p, m[:8]) {
			t.Fatal("the message is in the clear")
		}
		receives(t, to, p, string(m))
	}
}

// The two directions of a transform are used at the same time.
func TestConcurrency(t *testing.T) {
	p := newPlugin(t, 0)
	var all sync.WaitGroup
	for range 20 {
		d, a := connect(p, p)
		there, back := make(chan []byte, 100), make(chan []byte, 100)
		for i, end := range []struct {
			tr      wire.Transform
			out, in chan []byte
		}{{d, there, back}, {a, back, there}} {
			all.Go(func() {
				for n := range 50 {
					m, err := end.tr.Send(nil, fmt.Append(nil, i, n))
					if err != nil {
						t.Error(err)
					}
					end.out <- m
				}
			})
			all.Go(func() {
				for n := range 50 {
					receives(t, end.tr, <-end.in, fmt.Sprint(1-i, n))
				}
			})
		}
	}
	all.Wait()
}

// The clock of nobody is injected: that of the machine is used.
func TestRealClock(t *testing.T) {
	p := must(seal.New(testKey))
	d, a := connect(p, p)
	receives(t, a, sealed(t, d, "hello")[0], "hello")
}

// A message that is too large is lost, the next one is not.
func TestLimit(t *testing.T) {
	p := newPlugin(t, 0)
	d, a := p.New(wire.Dialing, 5), p.New(wire.Accepting, 5)
	m := sealed(t, d, "123456", "12345", "1234567", "")
	refuses(t, a, m[0], wire.ErrTooLarge)
	receives(t, a, m[1], "12345")
	refuses(t, a, m[2], wire.ErrTooLarge)
	receives(t, a, m[3], "")
}

func TestNoKey(t *testing.T) {
	var p seal.Plugin
	if out, err := p.New(wire.Dialing, 9).Send([]byte("x"), nil); err == nil || string(out) != "x" {
		t.Errorf("Send without a key: %q, %v", out, err)
	}
	if out, err := p.New(wire.Dialing, 9).Receive([]byte("x"), must(hex.DecodeString(recordedFirst))); err == nil || string(out) != "x" {
		t.Errorf("Receive without a key: %q, %v", out, err)
	}
	for _, n := range []int{0, 16, 31, 33, 64} {
		if p, err := seal.New(make([]byte, n)); err == nil || p != nil {
			t.Errorf("a key of %d bytes is accepted", n)
		}
	}
	// The key is copied: the caller may wipe its own.
	key := bytes.Clone(testKey)
	kept := must(seal.New(key))
	clear(key)
	kept.Now = newPlugin(t, 0).Now
	receives(t, kept.New(wire.Accepting, 100), must(hex.DecodeString(recordedFirst)), "hello")
}

// The keys are what Python's hashlib.pbkdf2_hmac gives.
func TestPassphraseKey(t *testing.T) {
	for _, c := range []struct{ passphrase, context, want string }{
		{"correct horse battery staple", "weather.example.org", "b987f7190a020e9b31d6295950ac30fc274c6a375d4e85f454e03e8ce460c8f2"},
		{"", "", "c19ea20c0c0fdc9d36eaaa57b8baa9f909cbcef7d28b5d120aa26bf643ecf814"},
	} {
		key, err := seal.PassphraseKey(c.passphrase, c.context)
		if got := hex.EncodeToString(key); err != nil || got != c.want {
			t.Errorf("%q in %q gives %s, %v, want %s", c.passphrase, c.context, got, err, c.want)
		}
	}
}

// Nothing but the recorded messages is accepted.
func FuzzReceive(f *testing.F) {
	first := must(hex.DecodeString(recordedFirst))
	f.Add(first)
	f.Add(first[:57])
	f.Add(append([]byte{4}, first[1:]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, p []byte) {
		a := newPlugin(t, 0).New(wire.Accepting, 100)
		sealed(t, a, "said before") // so that a bound message is looked at
		m, err := a.Receive(nil, p)
		if accepted := err == nil; accepted != bytes.Equal(p, first) || accepted && string(m) != "hello" {
			t.Errorf("Receive(% x) = %q, %v", p, m, err)
		}
	})
}

func TestAllocations(t *testing.T) {
	d, a := connect(newPlugin(t, 0), newPlugin(t, 0))
	message, out, back := make([]byte, 1000), make([]byte, 0, 2000), make([]byte, 0, 2000)
	if n := testing.AllocsPerRun(100, func() {
		p, _ := d.Send(out, message)
		if _, err := a.Receive(back, p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

func BenchmarkSend(b *testing.B) {
	for _, n := range []int{16, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d, _ := connect(newPlugin(b, 0), newPlugin(b, 0))
			message, out := make([]byte, n), make([]byte, 0, n+100)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				d.Send(out, message)
			}
		})
	}
}

// What a connection costs: two keys.
func BenchmarkConnect(b *testing.B) {
	p := newPlugin(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		d, a := connect(p, p)
		m, _ := d.Send(nil, nil)
		a.Receive(nil, m)
	}
}

func BenchmarkPassphraseKey(b *testing.B) {
	for b.Loop() {
		seal.PassphraseKey("correct horse battery staple", "weather.example.org")
	}
}
