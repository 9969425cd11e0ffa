package natsbus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nats-io/nats.go"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/queue"
)

const (
	defaultMessages = 4096
	defaultBytes    = 64 << 20
)

// fits returns an error for what can't be published.
func (b *Bus) fits(subject string, size int) error {
	if err := bus.CheckSubject(subject, false); err != nil {
		return err
	}
	if most := b.MaxPayload(); size > most {
		return fmt.Errorf("%w: %d bytes, at most %d", bus.ErrTooLarge, size, most)
	}
	return nil
}

// Publish gives data to all who subscribe to subject.
func (b *Bus) Publish(ctx context.Context, subject string, data []byte) error {
	if err := b.check(ctx); err != nil {
		return err
	}
	if err := b.fits(subject, len(data)); err != nil {
		return err
	}
	return told(ctx, b.nc.Publish(subject, data))
}

// Request asks, and returns the first answer.
func (b *Bus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	call, cancel, err := b.during(ctx, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := b.fits(subject, len(data)); err != nil {
		return nil, err
	}
	msg, err := b.nc.RequestWithContext(call, subject, data)
	switch {
	case err == nil:
		return msg.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: %s", bus.ErrNoResponder, subject)
	}
	return nil, told(call, err)
}

// subscription is a subscription of NATS, whose messages wait in a queue of ours.
type subscription struct {
	b     *Bus
	sub   *nats.Subscription
	queue *queue.Queue[bus.Message]
}

// Subscribe calls fn for each message to subject. It succeeds while the bus is away.
func (b *Bus) Subscribe(subject string, o bus.SubscribeOptions, fn func(bus.Message)) (bus.Subscription, error) {
	if err := bus.CheckSubject(subject, true); err != nil {
		return nil, err
	}
	if _, err := b.state.now(); errors.Is(err, bus.ErrClosed) {
		return nil, err
	}
	if o.Messages <= 0 {
		o.Messages = defaultMessages
	}
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	s := &subscription{b: b, queue: queue.New(queue.Options[bus.Message]{Messages: o.Messages, Bytes: o.Bytes, Latest: o.Latest,
		Size: func(m bus.Message) int { return len(m.Data) }, Serve: fn})}
	var err error
	s.sub, err = b.nc.Subscribe(subject, func(m *nats.Msg) {
		msg := bus.Message{Subject: m.Subject, Data: m.Data}
		if m.Reply != "" {
			msg.Respond = func(answer []byte) error { return b.respond(m.Reply, answer) }
		}
		if lost := s.queue.Put(msg); lost > 0 && !o.Latest && b.slow.ok() {
			b.log.Warn("a subscription is slow: messages are dropped, and counted", "subject", subject, "dropped", s.Dropped())
		}
	})
	if err != nil {
		s.queue.Close()
		return nil, told(context.Background(), err)
	}
	// What waits, waits in our queue, which knows whom to drop; NATS would drop the newest.
	if err := s.sub.SetPendingLimits(-1, -1); err != nil {
		s.Close()
		return nil, told(context.Background(), err)
	}
	s.sub.SetClosedHandler(func(string) { s.queue.Close() })
	return s, nil
}

func (b *Bus) respond(to string, answer []byte) error {
	if most := b.MaxPayload(); len(answer) > most {
		return fmt.Errorf("%w: an answer of %d bytes, at most %d", bus.ErrTooLarge, len(answer), most)
	}
	return told(context.Background(), b.nc.Publish(to, answer))
}

// Dropped counts what was lost because fn was too slow.
func (s *subscription) Dropped() uint64 { return s.queue.Dropped() }

// Close ends it.
func (s *subscription) Close() error {
	s.queue.Close()
	if err := s.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
		return err
	}
	return nil
}

// Drain ends it when fn has been called with what has come. When it returns the server
// knows, so that what is published from then on goes to others.
func (s *subscription) Drain() error {
	s.sub.SetClosedHandler(func(string) { s.queue.Drain() })
	if s.sub.Drain() == nil {
		return s.b.flush()
	}
	return s.Close()
}
