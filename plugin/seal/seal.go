package seal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/wire"
)

// Why a message was refused. Once a message has been refused for one of these,
// all others of the same connection are too, with the same error; close it.
var (
	// ErrForged: the message is not the one that the peer sealed next: another
	// key, another plugin, changed, repeated, out of order, or messages before
	// it are missing.
	ErrForged = errors.New("the message is not the next one of a peer with our key; close the connection and compare the keys")
	// ErrReplayed: a recorded connection was played again.
	ErrReplayed = errors.New("a recorded connection was played again; close it")
	// ErrClock: the peer's clock and ours differ by more than the window, or
	// a recorded connection was played again later.
	ErrClock = errors.New("the connection began at another time than now; set the clocks of both peers, or allow a larger Window")
)

const defaultWindow = 2 * time.Minute

// Plugin encrypts and authenticates messages; see the package's description.
// Make one with [New], and use the same one for all connections with its key:
// it remembers, in at most a few megabytes, which connections it has seen.
//
// The fields must not be changed once the Plugin is in use.
type Plugin struct {
	// Window is how far from ours the time in the first message of a
	// connection may be, before or behind. The smaller it is, the shorter the
	// time in which a replay is possible after a restart. Zero or less means
	// two minutes.
	Window time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	key []byte

	mu     sync.Mutex // guards memory
	memory memory
}

// New returns a Plugin with a key of 32 random bytes, which it copies, or one
// that [PassphraseKey] made.
func New(key []byte) (*Plugin, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("seal: the key has %d bytes, it needs %d; PassphraseKey makes one from a passphrase", len(key), keySize)
	}
	return &Plugin{key: append([]byte(nil), key...)}, nil
}

// Name returns "seal".
func (p *Plugin) Name() string { return "seal" }

// New returns the transform for one connection.
//
// Its Receive returns ErrForged, ErrReplayed or ErrClock for a message that is
// refused, and then for all others; and [wire.ErrTooLarge] for a good one of
// more than maxMessage bytes, which does not keep the next one from being
// received.
func (p *Plugin) New(role wire.Role, maxMessage int64) wire.Transform {
	return &transform{plugin: p, role: role, maxMessage: maxMessage}
}

func (p *Plugin) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

// admit decides about an authentic first message.
func (p *Plugin) admit(f first) error {
	window := p.Window
	if window <= 0 {
		window = defaultWindow
	}
	now := p.now()
	if age := now.Sub(time.Unix(0, f.time)); age < -window || age > window {
		return ErrClock
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.memory.accept(f, now.Add(-window).UnixNano())
}
