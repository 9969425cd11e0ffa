package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/parley-net/parley/wire"
)

const (
	saltSize       = 16
	headerSize     = 1 + saltSize + 8
	commitmentSize = 32
)

// The first byte of a direction tells the version of the format too. (1 and 2
// were those of the first one, which had no commitment.)
const (
	unbound = 3
	bound   = 4 // the key depends on the peer's salt
)

type transform struct {
	plugin     *Plugin
	role       wire.Role
	maxMessage int64

	out, in direction
	refused error // why nothing more is received

	// The salts are where the two directions meet; Send and Receive may run
	// at the same time.
	mu             sync.Mutex
	ours, theirs   [saltSize]byte
	sent, received bool // whether they are set
}

// direction is one direction after its first message.
type direction struct {
	aead  cipher.AEAD // nil before the first message
	nonce [12]byte    // of the next message
}

// next moves on to the next message. The last 8 bytes of the nonce count; no
// connection lives long enough for them to run over.
func (d *direction) next() {
	n := d.nonce[4:]
	binary.BigEndian.PutUint64(n, binary.BigEndian.Uint64(n)+1)
}

func (d *direction) open(dst, p []byte) ([]byte, error) {
	out, err := d.aead.Open(dst, d.nonce[:], p, nil)
	if err != nil {
		return nil, ErrForged
	}
	return out, nil
}

func (t *transform) Send(dst, p []byte) ([]byte, error) {
	if t.out.aead == nil {
		head, commitment, err := t.begin()
		if err != nil {
			return dst, err
		}
		dst = append(dst, head[:]...)
		dst = append(dst, commitment...)
	}
	dst = t.out.aead.Seal(dst, t.out.nonce[:], p, nil)
	t.out.next()
	return dst, nil
}

// begin makes the key of our direction, the header that tells it and the
// commitment to it.
func (t *transform) begin() (head [headerSize]byte, commitment []byte, err error) {
	t.mu.Lock()
	rand.Read(t.ours[:]) // never fails
	t.sent = true
	head[0] = unbound
	var peer []byte
	if t.received {
		head[0] = bound
		peer = t.theirs[:]
	}
	copy(head[1:], t.ours[:])
	t.mu.Unlock()
	binary.BigEndian.PutUint64(head[1+saltSize:], uint64(t.plugin.now().UnixNano()))
	t.out.aead, commitment, err = t.plugin.derive(t.role, head, peer)
	return head, commitment, err
}

func (t *transform) Receive(dst, p []byte) ([]byte, error) {
	if t.refused != nil {
		return dst, t.refused
	}
	out, err := t.receive(dst, p)
	if err != nil {
		t.refused = err
		return dst, err
	}
	t.in.next()
	if n := int64(len(out) - len(dst)); n > t.maxMessage {
		return dst, fmt.Errorf("a message of %d bytes, at most %d are taken: %w", n, t.maxMessage, wire.ErrTooLarge)
	}
	return out, nil
}

func (t *transform) receive(dst, p []byte) ([]byte, error) {
	if t.in.aead != nil {
		return t.in.open(dst, p)
	}
	if len(p) < headerSize+commitmentSize {
		return nil, ErrForged
	}
	head := [headerSize]byte(p)
	committed, sealed := p[headerSize:headerSize+commitmentSize], p[headerSize+commitmentSize:]
	f := first{
		time: int64(binary.BigEndian.Uint64(head[1+saltSize:])),
		salt: [saltSize]byte(head[1:]),
	}
	var peer []byte
	switch head[0] {
	case unbound:
	case bound:
		t.mu.Lock()
		sent, ours := t.sent, t.ours
		t.mu.Unlock()
		if !sent {
			return nil, ErrForged
		}
		peer = ours[:]
	case 1, 2:
		return nil, fmt.Errorf("the peer's plugin may be of an older version: %w", ErrForged)
	default:
		return nil, ErrForged
	}
	aead, commitment, err := t.plugin.derive(t.role.Peer(), head, peer)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(commitment, committed) {
		return nil, ErrForged
	}
	in := direction{aead: aead}
	out, err := in.open(dst, sealed)
	if err != nil {
		return nil, err
	}
	// Only what a holder of the key has sealed gets as far as the memory.
	if err := t.plugin.admit(f); err != nil {
		return nil, err
	}
	t.in = in
	t.mu.Lock()
	t.theirs, t.received = f.salt, true
	t.mu.Unlock()
	return out, nil
}

// derive makes the key of the direction in which sender speaks, and a commitment
// to it. GCM has none: whoever may choose the salt can make one message that many
// keys open, and so try as many passphrases with one connection.
func (p *Plugin) derive(sender wire.Role, head [headerSize]byte, peerSalt []byte) (aead cipher.AEAD, commitment []byte, err error) {
	material, err := p.material(sender, head, peerSalt)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(material[:keySize])
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	aead, err = cipher.NewGCM(block)
	return aead, material[keySize:], err
}

// material is the key of a direction and the commitment.
func (p *Plugin) material(sender wire.Role, head [headerSize]byte, peerSalt []byte) ([]byte, error) {
	if p.key == nil {
		return nil, errors.New("no key; make the plugin with New")
	}
	context := "parley seal " + sender.String() + string(head[:]) + string(peerSalt)
	b, err := hkdf.Key(sha256.New, p.key, head[1:1+saltSize], context, keySize+commitmentSize)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return b, nil
}
