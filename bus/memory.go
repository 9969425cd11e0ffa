package bus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/bus/queue"
)

const (
	// memoryPayload is the largest message of a Memory, as natsbus asks for.
	memoryPayload   = 8 << 20
	defaultMessages = 4096
	defaultBytes    = 64 << 20
)

// Memory joins what runs in one process. What it keeps is gone with it. The zero
// Memory is ready. All methods may be called concurrently.
type Memory struct {
	mu      sync.Mutex
	exact   map[string][]*memorySub // by subject
	wild    []*memorySub            // whose subject has wildcards
	buckets map[string]*memoryBucket
	logs    map[string]*memoryLog
	objects map[string]*memoryObjects
}

// Connect returns a Bus of its own on m.
func (m *Memory) Connect() Bus {
	return &memoryBus{m: m, since: time.Now(), done: make(chan struct{})}
}

// memoryBus is one connection to a Memory.
type memoryBus struct {
	m     *Memory
	since time.Time
	done  chan struct{} // closed by Close

	mu     sync.Mutex
	closed time.Time
}

// check returns why a call can't go on.
func (b *memoryBus) check(ctx context.Context) error {
	select {
	case <-b.done:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

func (b *memoryBus) MaxPayload() int { return memoryPayload }

// Status is up until Close. Nothing changes behind that.
func (b *memoryBus) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed.IsZero() {
		return Status{Since: b.closed, Err: ErrClosed, Server: "memory"}
	}
	return Status{Up: true, Since: b.since, Server: "memory", Changed: b.done}
}

func (b *memoryBus) Publish(ctx context.Context, subject string, data []byte) error {
	_, err := b.publish(ctx, subject, data, nil)
	return err
}

// publish gives a copy of data to all subscribers, and returns how many there are.
func (b *memoryBus) publish(ctx context.Context, subject string, data []byte, respond func([]byte) error) (int, error) {
	if err := b.check(ctx); err != nil {
		return 0, err
	}
	if err := CheckSubject(subject, false); err != nil {
		return 0, err
	}
	if len(data) > memoryPayload {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), memoryPayload)
	}
	msg := Message{Subject: subject, Data: append([]byte(nil), data...), Respond: respond}
	n := 0
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	for _, s := range b.m.exact[subject] {
		s.queue.Put(msg)
		n++
	}
	for _, s := range b.m.wild {
		if Matches(s.subject, subject) {
			s.queue.Put(msg)
			n++
		}
	}
	return n, nil
}

func (b *memoryBus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	answers := make(chan []byte, 1)
	n, err := b.publish(ctx, subject, data, func(answer []byte) error {
		if len(answer) > memoryPayload {
			return fmt.Errorf("%w: an answer of %d bytes, at most %d", ErrTooLarge, len(answer), memoryPayload)
		}
		select {
		case answers <- append([]byte(nil), answer...):
		default: // not the first one
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoResponder, subject)
	}
	select {
	case answer := <-answers:
		return answer, nil
	case <-b.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memorySub is one subscription.
type memorySub struct {
	owner   *memoryBus
	subject string
	queue   *queue.Queue[Message]
}

func (b *memoryBus) Subscribe(subject string, o SubscribeOptions, fn func(Message)) (Subscription, error) {
	if err := CheckSubject(subject, true); err != nil {
		return nil, err
	}
	if o.Messages <= 0 {
		o.Messages = defaultMessages
	}
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	if err := b.check(context.Background()); err != nil {
		return nil, err
	}
	s := &memorySub{owner: b, subject: subject}
	s.queue = queue.New(queue.Options[Message]{Messages: o.Messages, Bytes: o.Bytes, Latest: o.Latest,
		Size: func(m Message) int { return len(m.Data) }, Serve: fn})
	if strings.ContainsAny(subject, "*>") {
		b.m.wild = append(b.m.wild, s)
		return s, nil
	}
	if b.m.exact == nil {
		b.m.exact = make(map[string][]*memorySub)
	}
	b.m.exact[subject] = append(b.m.exact[subject], s)
	return s, nil
}

func (s *memorySub) Dropped() uint64 { return s.queue.Dropped() }

func (s *memorySub) Close() error {
	s.owner.m.remove(func(other *memorySub) bool { return other == s }, (*queue.Queue[Message]).Close, s.subject)
	return nil
}

func (s *memorySub) Drain() error {
	s.owner.m.remove(func(other *memorySub) bool { return other == s }, (*queue.Queue[Message]).Drain, s.subject)
	return nil
}

// remove ends the subscriptions that which names, of these subjects.
func (m *Memory) remove(which func(*memorySub) bool, how func(*queue.Queue[Message]), subjects ...string) {
	end := func(s *memorySub) bool {
		if !which(s) {
			return false
		}
		how(s.queue)
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wild = slices.DeleteFunc(m.wild, end)
	for _, subject := range subjects {
		if left := slices.DeleteFunc(m.exact[subject], end); len(left) > 0 {
			m.exact[subject] = left
		} else {
			delete(m.exact, subject)
		}
	}
}

func (b *memoryBus) Close() error {
	b.mu.Lock()
	if !b.closed.IsZero() {
		b.mu.Unlock()
		return nil
	}
	b.closed = time.Now()
	close(b.done)
	b.mu.Unlock()
	b.m.mu.Lock()
	subjects := slices.Collect(maps.Keys(b.m.exact))
	b.m.mu.Unlock()
	b.m.remove(func(s *memorySub) bool { return s.owner == b }, (*queue.Queue[Message]).Close, subjects...)
	return nil
}
