package web

import (
	"context"
	"errors"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus/queue"
)

// Target is what a page can reach: a [Room], a [Device], an [Owned] one or a [Server]. Its methods may be called
// concurrently.
type Target interface {
	// Name is what pages call it.
	Name() string
	// Kind is "room", "device" or "server".
	Kind() string
	// Subscribe calls take for each message, one at a time; take may wait. What it is too
	// slow for is dropped, and told in its place.
	Subscribe(o SubscribeOptions, take func(Message)) (Subscription, error)
	// Call sends m and returns the answer. ErrNoAnswers where nobody answers.
	Call(ctx context.Context, m parley.Message) (parley.Message, error)
	// State says how it is, for people: "connected", "3 members".
	State() string
}

// SubscribeOptions say who subscribes, and what may wait for it.
type SubscribeOptions struct {
	ID       string // the subscriber's name at this door
	Peer     string // its address
	User     string // what it calls itself
	Messages int
	Bytes    int64
	Latest   bool            // the oldest are dropped, not the newest
	Unlisted bool            // it is no member of a room
	Kill     func(err error) // called when an operator ends the subscriber
}

// queue returns what waits for the subscriber, who takes it one by one.
func (o SubscribeOptions) queue(take func(Message)) *queue.Queue[Message] {
	return queue.New(queue.Options[Message]{Messages: o.Messages, Bytes: o.Bytes, Latest: o.Latest,
		Size:   func(m Message) int { return m.Len() },
		Serve:  take,
		Missed: func(n uint64) { take(Message{Missed: n, At: time.Now()}) },
	})
}

// Subscription is a subscriber's handle.
type Subscription interface {
	// Send says m; the subscriber itself does not hear it where others hear it.
	Send(ctx context.Context, m parley.Message) error
	Close()
}

// Message is what a subscriber gets.
type Message struct {
	parley.Message
	Missed uint64    // above zero: so many are missing here, and there is no message
	At     time.Time // when it was said
	Dir    string    // of a device's: "c2s", "s2c"
	From   string    // of a room's: NODE/ID; of a server's: the connection's number
	Peer   string    // of a server's: its client's address
	Proto  string    // the protocol on which it came
	Error  string    // of a device's: what could not be read; then there is no message
}

// ErrNoAnswers: a room does not answer; send to it, and subscribe.
var ErrNoAnswers = errors.New("a room does not answer: send to it, and subscribe to hear others")
