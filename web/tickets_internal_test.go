package web

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever asks for a ticket has one that opens a socket, however many others ask for, from one
// address or from many; what is held is bounded.
//
// Verifies: WEB-25
func TestTicketsOfOthers(t *testing.T) {
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	page := func(i int) (caller, netip.Addr) { return caller{name: fmt.Sprint("user", i%2)}, at(i) }
	for name, flood := range map[string]func(i int) (caller, netip.Addr){
		"one page":            func(int) (caller, netip.Addr) { return page(1) },
		"one user":            func(i int) (caller, netip.Addr) { return caller{name: "greedy"}, at(100 + i%500) },
		"of the same address": func(int) (caller, netip.Addr) { return page(0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all tickets
				waits := all.issue(page(2))
				for i := range 3 * maxTickets {
					all.issue(flood(i))
					if i%1000 != 0 {
						continue
					}
					own := all.issue(page(0))
					for j := range 1000 { // meanwhile
						all.issue(flood(j))
					}
					if c, ok := all.use(own); !ok || c.name != "user0" {
						t.Fatalf("behind %d of others a ticket opens nothing: %v", i, c)
					}
					if _, again := all.use(own); again {
						t.Fatal("it opens another")
					}
				}
				if _, ok := all.use(waits); ok != (name != "one user") {
					t.Error("the ticket that waits behind one holder's opens a socket:", ok)
				}
				if n := len(all.all); n > maxTickets || n != all.ages.Len() {
					t.Errorf("%d tickets, %d of an age", n, all.ages.Len())
				}
				time.Sleep(ticketLife + time.Second)
				last := all.issue(page(3))
				if len(all.all) != 1 || len(all.holders) != 1 {
					t.Errorf("%d tickets of %d holders are left after their time", len(all.all), len(all.holders))
				}
				time.Sleep(ticketLife)
				if _, ok := all.use(last); ok {
					t.Error("one that is too old opens a socket")
				}
				if len(all.all)+len(all.holders)+all.ages.Len() != 0 {
					t.Error("something is left")
				}
			})
		})
	}
}
