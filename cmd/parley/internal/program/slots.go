package program

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Slots counts the programs that run, of all clients and of those of one address.
type Slots struct {
	mu           sync.Mutex
	most, mostOf int
	taken        int
	by           map[netip.Addr]int
}

// NewSlots returns slots for so many programs, and for so many of one IP address;
// 0 is half of them. Clients without an address, on Unix sockets, count for the
// first only.
func NewSlots(most, ofAddr int) *Slots {
	if ofAddr == 0 {
		ofAddr = (most + 1) / 2
	}
	return &Slots{most: most, mostOf: ofAddr, by: make(map[netip.Addr]int)}
}

// Take takes a slot for a client at peer, or says why there is none.
func (s *Slots) Take(peer net.Addr) error {
	ip := ipOf(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.taken >= s.most:
		return fmt.Errorf("%d programs run already, as many as --max-procs allows", s.most)
	case ip.IsValid() && s.by[ip] >= s.mostOf:
		return fmt.Errorf("%d programs run for this address already, as many as --max-procs-per-addr allows", s.mostOf)
	}
	s.taken++
	if ip.IsValid() {
		s.by[ip]++
	}
	return nil
}

// Give gives back a slot that Take has taken for peer.
func (s *Slots) Give(peer net.Addr) {
	ip := ipOf(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if !ip.IsValid() {
		return
	}
	if s.by[ip]--; s.by[ip] == 0 {
		delete(s.by, ip)
	}
}

// ipOf returns the IP address of a peer, which is not valid if it has none.
func ipOf(peer net.Addr) netip.Addr {
	if a, ok := peer.(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
