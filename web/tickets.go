package web

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"sync"
	"time"
)

const (
	ticketLife = 30 * time.Second
	maxTickets = 10_000
	// ticketShare is how many of them one user at one address holds.
	ticketShare = maxTickets / 4
)

// caller is somebody who was let in.
type caller struct {
	name  string // the user's; "" on loopback without users
	grant Grant
}

// tickets let a page open one socket, soon. A ticket is used once. Where there are too many
// the oldest makes room, of whoever holds its share its own one: so whoever asks is given a
// ticket, and who only asks can't keep others out.
type tickets struct {
	mu      sync.Mutex
	all     map[[sha256.Size]byte]*ticket
	holders map[holder]*list.List // of *ticket, the oldest first
	ages    list.List             // of *ticket, the oldest first
}

// holder is whose share a ticket is of.
type holder struct {
	addr netip.Addr
	user string
}

type ticket struct {
	key          [sha256.Size]byte
	caller       caller
	holder       holder
	end          time.Time
	age, ofTheir *list.Element // where it is in tickets.ages, and among its holder's
}

// issue makes a ticket for somebody at an address.
func (t *tickets) issue(c caller, addr netip.Addr) (text string) {
	random := make([]byte, 32)
	rand.Read(random)
	text = base64.RawURLEncoding.EncodeToString(random)
	now := time.Now()
	made := &ticket{key: sha256.Sum256([]byte(text)), caller: c, holder: holder{addr, c.name}, end: now.Add(ticketLife)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for oldest := t.ages.Front(); oldest != nil && now.After(oldest.Value.(*ticket).end); oldest = t.ages.Front() {
		t.remove(oldest.Value.(*ticket))
	}
	if theirs := t.holders[made.holder]; theirs != nil && theirs.Len() >= ticketShare {
		t.remove(theirs.Front().Value.(*ticket))
	}
	if t.ages.Len() >= maxTickets {
		t.remove(t.ages.Front().Value.(*ticket))
	}
	t.add(made)
	return text
}

func (t *tickets) add(made *ticket) {
	if t.all == nil {
		t.all, t.holders = make(map[[sha256.Size]byte]*ticket), make(map[holder]*list.List)
	}
	theirs := t.holders[made.holder]
	if theirs == nil {
		theirs = list.New()
		t.holders[made.holder] = theirs
	}
	made.age, made.ofTheir = t.ages.PushBack(made), theirs.PushBack(made)
	t.all[made.key] = made
}

func (t *tickets) remove(old *ticket) {
	delete(t.all, old.key)
	t.ages.Remove(old.age)
	theirs := t.holders[old.holder]
	if theirs.Remove(old.ofTheir); theirs.Len() == 0 {
		delete(t.holders, old.holder)
	}
}

// use takes a ticket.
func (t *tickets) use(text string) (caller, bool) {
	key := sha256.Sum256([]byte(text))
	t.mu.Lock()
	defer t.mu.Unlock()
	got := t.all[key]
	if got == nil {
		return caller{}, false
	}
	t.remove(got)
	return got.caller, time.Now().Before(got.end)
}
