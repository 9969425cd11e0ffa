package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy/pickle"
)

// The size classes of messages. huge is for tinyproto.
const (
	small = 64 << 10
	large = 5 << 20
	huge  = 64 << 20
)

// sample is a message and the Python expression for the same value.
type sample struct {
	python  string
	message parley.Message
}

func (s sample) String() string { return s.python }

// mixed is a sample of n bytes.
func mixed(n int) sample {
	return sample{fmt.Sprintf("mix(%d)", n), parley.Bytes(mix(n))}
}

// letters is a sample of text of n letters.
func letters(n int) sample {
	return sample{fmt.Sprintf("az(%d)", n), parley.Text(az(n))}
}

// mix is mix of driver.py: n bytes in which every value occurs. They must not
// be modified.
func mix(n int) []byte { return mixHuge()[:n:n] }

var mixHuge = sync.OnceValue(func() []byte {
	b := make([]byte, huge)
	for i := range b {
		b[i] = byte(i + i>>8 + i>>16)
	}
	return b
})

// az is az of driver.py: a text of n letters.
func az(n int) string {
	return strings.Repeat("abcdefghijklmnopqrstuvwxyz", n/26+1)[:n]
}

// described is what describe of driver.py says about a value.
type described struct {
	Type string
	Len  int
	Text string
}

// describe says the same about a message.
func describe(m parley.Message) described {
	d := described{Type: m.Type().String()}
	raw := m.Bytes()
	switch m.Type() {
	case parley.TypeBytes:
		d.Text = hex.EncodeToString(raw[:min(len(raw), 1000)])
	case parley.TypeText:
		d.Text = m.Text()
	case parley.TypeInt:
		d.Text = m.Text()
		raw = []byte(d.Text)
	case parley.TypeFloat:
		d.Text = floatBits(m.Float())
		raw = []byte(d.Text)
	case parley.TypeObject:
		d.Text = pickle.Repr(m.Object())
		raw = []byte(d.Text)
	}
	if d.Len = len(raw); d.Len > 1000 {
		d.Text = fmt.Sprintf("sha256 %x", sha256.Sum256(raw))
	}
	return d
}

// floatBits names a float exactly.
func floatBits(f float64) string {
	if math.IsNaN(f) {
		return "nan"
	}
	return fmt.Sprintf("%016x", math.Float64bits(f))
}

// same fails the test if what arrived is not what was sent.
func same(t *testing.T, what string, got, want described) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}
