package monitor

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// errBanned is why a connection of a banned address ends.
var errBanned = errors.New("this address is refused for a while, on request")

// maxBans bounds what is remembered of them; the one that ends first goes.
const maxBans = 10_000

// bans are addresses that are refused until a time.
type bans struct {
	mu  sync.Mutex
	all map[netip.Addr]time.Time
}

// ip returns the address of IP:PORT.
func ip(addr string) (netip.Addr, bool) {
	at, err := netip.ParseAddrPort(addr)
	return at.Addr().Unmap().WithZone(""), err == nil
}

func (b *bans) add(addr string, d time.Duration) error {
	at, ok := ip(addr)
	if !ok {
		return errors.New(addr + " is no address that can be refused")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[netip.Addr]time.Time)
	}
	if len(b.all) >= maxBans {
		first, end := at, time.Time{}
		for other, until := range b.all {
			if end.IsZero() || until.Before(end) {
				first, end = other, until
			}
		}
		delete(b.all, first)
	}
	b.all[at] = time.Now().Add(d)
	return nil
}

// has reports whether an address is refused now.
func (b *bans) has(addr string) bool {
	at, ok := ip(addr)
	if !ok {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	until, banned := b.all[at]
	if banned && time.Now().After(until) {
		delete(b.all, at)
		return false
	}
	return banned
}
