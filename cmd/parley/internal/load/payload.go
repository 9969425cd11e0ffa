package load

import (
	"encoding/hex"
	"math/rand/v2"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/wire"
)

// offsets is how many different contents there are: a prime, so that the
// strides below reach all of them.
const offsets = 4093

// payloads are the contents of all messages: pieces of one random block, each
// at an offset that connection and number of the message determine. So nothing
// is generated or stored for each message, and one that is exchanged for
// another, repeated or left out is noticed.
type payloads struct {
	question *parley.Message // all of them are this one, if it is not nil
	block    []byte
	size     int
	text     bool
}

func newPayloads(cfg Config) payloads {
	if cfg.Question != nil {
		return payloads{question: cfg.Question}
	}
	p := payloads{size: cfg.Size, text: cfg.Text, block: make([]byte, cfg.Size+offsets)}
	rng := rand.NewChaCha8([32]byte{
		byte(cfg.Seed), byte(cfg.Seed >> 8), byte(cfg.Seed >> 16), byte(cfg.Seed >> 24),
		byte(cfg.Seed >> 32), byte(cfg.Seed >> 40), byte(cfg.Seed >> 48), byte(cfg.Seed >> 56)})
	rng.Read(p.block)
	if p.text {
		// Hexadecimal digits: no line ends, no white space at the ends and
		// none of oneline's words is among them.
		p.block = hex.AppendEncode(nil, p.block)[:len(p.block)]
	}
	return p
}

// message is message i of connection n. Its bytes must not be changed.
func (p payloads) message(n int, i int64) parley.Message {
	if p.question != nil {
		return *p.question
	}
	at := (i*31 + int64(n)*1009) % offsets
	b := p.block[at : at+int64(p.size)]
	if p.text {
		return wire.TextBytes(b)
	}
	return parley.Bytes(b)
}
