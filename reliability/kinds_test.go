package reliability

import (
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/plugin/checksum"
	"github.com/parley-net/parley/plugin/seal"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// A kind is a wire with what its simulated programs must know of it.
type kind struct {
	name     string
	protocol parley.Protocol
	server   parley.Protocol // if it differs
	plugins  func() []parley.Plugin
	random   func(rng *rand.Rand, tag string, size int) parley.Message
	// ahead: the wire confirms a message when its size has come, not when the
	// whole of it has.
	ahead bool
}

func kinds() []kind {
	all := []kind{
		{name: "oneline", protocol: oneline.Protocol{}, random: randomText},
		{name: "tinyproto", protocol: tinyproto.Protocol{}, random: randomBytes, ahead: true},
		{name: "tinyproto-never", protocol: tinyproto.Protocol{Eager: tinyproto.Never}, random: randomBytes, ahead: true},
		{name: "tinyproto-mixed", protocol: tinyproto.Protocol{}, server: tinyproto.Protocol{Eager: tinyproto.Never}, random: randomBytes, ahead: true},
		{name: "tinyproto-sealed", protocol: tinyproto.Protocol{}, plugins: sealed, random: randomBytes, ahead: true},
		{name: "serpy2", protocol: serpy2.Protocol{}, random: randomTyped},
	}
	for mode := range 6 {
		random := randomTyped
		if mode >= 4 {
			random = randomObject
		}
		all = append(all, kind{name: fmt.Sprintf("serpy-%d", mode), protocol: serpy.Protocol{Mode: mode}, random: random})
	}
	return all
}

func (k kind) traits() wire.Traits { return k.protocol.Traits() }

// of returns the protocol of the dialling or accepting side.
func (k kind) of(side int) parley.Protocol {
	if side == accepting && k.server != nil {
		return k.server
	}
	return k.protocol
}

func (k kind) withPlugins() []parley.Plugin {
	if k.plugins == nil {
		return nil
	}
	return k.plugins()
}

func sealed() []parley.Plugin {
	s, err := seal.New(make([]byte, 32))
	if err != nil {
		panic(err)
	}
	return []parley.Plugin{checksum.Plugin{}, s}
}

// Two blocks of noise: one of letters, one of all bytes.
var letters, noise = func() (l, n [1 << 20]byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range l {
		l[i] = 'a' + byte(rng.UintN(26))
		n[i] = byte(rng.Uint32())
	}
	return l, n
}()

// fill returns size bytes that begin with tag.
func fill(rng *rand.Rand, block *[1 << 20]byte, tag string, size int) []byte {
	b := make([]byte, 0, size)
	b = append(b, tag[:min(len(tag), size)]...)
	return append(b, block[rng.IntN(1<<18):][:size-len(b)]...)
}

func randomText(rng *rand.Rand, tag string, size int) parley.Message {
	return parley.Text(string(fill(rng, &letters, tag, size)))
}

func randomBytes(rng *rand.Rand, tag string, size int) parley.Message {
	return parley.Bytes(fill(rng, &noise, tag, size))
}

// randomTyped returns a message of any simple type. A number has its tag in
// its digits.
func randomTyped(rng *rand.Rand, tag string, size int) parley.Message {
	number := int64(0)
	for _, c := range tag {
		number = number<<8 | int64(c)
	}
	switch rng.IntN(8) {
	case 0:
		return parley.Int(-number)
	case 1:
		return parley.Float(float64(number) + 0.5)
	case 2, 3, 4:
		return randomText(rng, tag, size)
	}
	return randomBytes(rng, tag, size)
}

// randomObject returns messages as they travel in serpy's modes 4 and 5.
func randomObject(rng *rand.Rand, tag string, size int) parley.Message {
	switch rng.IntN(4) {
	case 0:
		return parley.Object(&pickle.List{Items: []any{tag, int64(size), nil, true, string(letters[:size])}})
	case 1:
		return parley.Object(&pickle.Tuple{Items: []any{tag, 1.5, append([]byte(nil), noise[:size]...)}})
	}
	return randomTyped(rng, tag, size)
}

var keySeed = maphash.MakeSeed()

// key is a digest of a message's value as the receiver must see it.
func (k kind) key(m parley.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(keySeed)
	switch t := m.Type(); {
	case t == parley.TypeObject:
		h.WriteByte('o')
		io.WriteString(&h, pickle.Repr(m.Object()))
	case k.name == "serpy2" && t != parley.TypeBytes: // types arrive as themselves
		h.WriteByte(t.String()[0])
		h.Write(m.AppendText(nil))
	case t == parley.TypeBytes || t == parley.TypeText:
		h.WriteByte('b')
		h.Write(m.Bytes())
	default:
		h.WriteByte('b')
		h.Write(m.AppendText(nil))
	}
	return h.Sum64()
}
