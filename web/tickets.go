package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

const (
	ticketLife = 30 * time.Second
	maxTickets = 10_000
)

// caller is somebody who was let in.
type caller struct {
	name  string // the user's; "" on loopback without users
	grant Grant
}

// tickets let a page open one socket, soon. A ticket is used once.
type tickets struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]ticket
}

type ticket struct {
	caller caller
	end    time.Time
}

// issue makes a ticket; ok is false when there are too many.
func (t *tickets) issue(c caller) (text string, ok bool) {
	random := make([]byte, 32)
	rand.Read(random)
	text = base64.RawURLEncoding.EncodeToString(random)
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) >= maxTickets {
		for key, old := range t.all {
			if now.After(old.end) {
				delete(t.all, key)
			}
		}
		if len(t.all) >= maxTickets {
			return "", false
		}
	}
	if t.all == nil {
		t.all = make(map[[sha256.Size]byte]ticket)
	}
	t.all[sha256.Sum256([]byte(text))] = ticket{c, now.Add(ticketLife)}
	return text, true
}

// use takes a ticket.
func (t *tickets) use(text string) (caller, bool) {
	key := sha256.Sum256([]byte(text))
	t.mu.Lock()
	defer t.mu.Unlock()
	got, ok := t.all[key]
	delete(t.all, key)
	return got.caller, ok && time.Now().Before(got.end)
}
