package natsbus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

// Consume calls fn for each entry that the consumer has not acknowledged yet, in order.
func (l *log) Consume(ctx context.Context, consumer string, fn func(bus.LogEntry) error) error {
	name := bus.Token(consumer)
	begin := true
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := l.here(ctx)
		if errors.Is(err, bus.ErrClosed) {
			return err
		}
		if err == nil {
			begin, err = l.round(ctx, name, begin, fn)
		}
		if err != nil && ctx.Err() == nil { // the bus is away, or somebody has removed the consumer
			l.b.log.Debug("a log can't be read now", "log", l.name, "error", err)
			select {
			case <-time.After(retryAfter):
			case <-ctx.Done():
			case <-l.b.done:
			}
		}
	}
}

// round consumes until an error. begin says that nothing of this consumer is under way;
// it is returned true when that must be seen to again.
func (l *log) round(ctx context.Context, name string, begin bool, fn func(bus.LogEntry) error) (bool, error) {
	c, err := l.consumer(ctx, name, begin)
	if err != nil {
		return true, err
	}
	for {
		batch, err := c.Fetch(fetchMost, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return true, err
		}
		if !l.giveAll(ctx, batch.Messages(), fn) {
			return true, ctx.Err()
		}
		if err := batch.Error(); err != nil && !errors.Is(err, jetstream.ErrNoMessages) && !unanswered(err) {
			return true, err
		}
		if ctx.Err() != nil {
			return true, ctx.Err()
		}
		if err := l.here(ctx); err != nil {
			return true, err
		}
	}
}

// consumer returns the stream's consumer. If entries were given to it that were not
// acknowledged, they would come behind others, so then it is made anew from the
// first of them on.
func (l *log) consumer(ctx context.Context, name string, begin bool) (jetstream.Consumer, error) {
	config := jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: 4 * fetchMost, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	c, err := l.stream.Consumer(ctx, name)
	if err == nil && begin {
		info := c.CachedInfo()
		if info.NumAckPending == 0 && info.NumRedelivered == 0 {
			return c, nil
		}
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, info.AckFloor.Stream+1
		if err = l.stream.DeleteConsumer(ctx, name); err != nil {
			return nil, err
		}
		return l.stream.CreateConsumer(ctx, config)
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return l.stream.CreateConsumer(ctx, config)
	}
	return c, err
}

// giveAll shows the entries of a batch. The last one's acknowledgement is waited for, so that
// whoever begins next finds where this one has ended.
func (l *log) giveAll(ctx context.Context, batch <-chan jetstream.Msg, fn func(bus.LogEntry) error) bool {
	var last jetstream.Msg
	defer func() {
		if last != nil {
			ack, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			last.DoubleAck(ack) // else it comes again
		}
	}()
	for m := range batch {
		if !l.give(ctx, m, fn) {
			return false
		}
		if last != nil {
			last.Ack()
		}
		last = m
	}
	return true
}

// give shows an entry until it is taken, or ctx ends. A damaged one is told in the log
// and left behind, as waiting does not mend it.
func (l *log) give(ctx context.Context, m jetstream.Msg, fn func(bus.LogEntry) error) bool {
	e, err := l.entry(m)
	if err != nil {
		l.b.log.Error("an entry is left out", "error", err)
		return true
	}
	for ctx.Err() == nil {
		if fn(e) == nil {
			return true
		}
		select {
		case <-time.After(retryAfter):
			m.InProgress()
		case <-ctx.Done():
		case <-l.b.done:
			return false
		}
	}
	return false
}
