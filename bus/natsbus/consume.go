package natsbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

// Consume calls fn for each entry that the consumer has not acknowledged yet, in order.
func (l *log) Consume(ctx context.Context, consumer string, fn func([]bus.LogEntry) int) error {
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
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("natsbus: log %s: %w", l.name, bus.ErrNotFound)
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
func (l *log) round(ctx context.Context, name string, begin bool, fn func([]bus.LogEntry) int) (bool, error) {
	c, err := l.consumer(ctx, name, begin)
	if err != nil {
		return true, err
	}
	next := c.CachedInfo().Delivered.Consumer + 1
	for {
		batch, err := c.FetchBytes(fetchBytes, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return true, err
		}
		begun := next
		if next, err = l.giveAll(ctx, batch.Messages(), next, fn); err != nil {
			return true, err
		}
		if next == begun {
			if err := l.nothingUnderWay(ctx, c); err != nil {
				return true, err
			}
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
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: fetchMost, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	c, err := l.stream.Consumer(ctx, name)
	if err == nil && begin {
		info := c.CachedInfo()
		if info.NumAckPending == 0 && info.NumRedelivered == 0 {
			return c, nil
		}
		if l.stream.CachedInfo().Config.Retention != jetstream.WorkQueuePolicy { // where only the others are left
			config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, info.AckFloor.Stream+1
		}
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

// errOutOfStep: entries were given to the consumer that have not come here, as they were on
// their way when a fetch had ended. They would come later, behind others.
var errOutOfStep = errors.New("natsbus: entries were lost on their way, and come again")

// nothingUnderWay returns an error if the consumer was given entries that have not come here.
func (l *log) nothingUnderWay(ctx context.Context, c jetstream.Consumer) error {
	look, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	info, err := c.Info(look)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return err
	case err == nil && info.NumAckPending > 0:
		return errOutOfStep
	}
	return nil
}

// giveAll shows the entries of a batch as they come, as many together as are there. next is the
// number that the consumer gives to the first one, and is returned for the one behind them.
func (l *log) giveAll(ctx context.Context, batch <-chan jetstream.Msg, next uint64, fn func([]bus.LogEntry) int) (uint64, error) {
	for m := range batch {
		together := []jetstream.Msg{m}
		for more := true; more; {
			select {
			case m, ok := <-batch:
				if more = ok; ok {
					together = append(together, m)
				}
			default:
				more = false
			}
		}
		for i, m := range together {
			if meta, err := m.Metadata(); err != nil || meta.Sequence.Consumer != next {
				l.give(ctx, together[:i], fn)
				return next, errOutOfStep
			}
			next++
		}
		if !l.give(ctx, together, fn) {
			return next, context.Canceled
		}
	}
	return next, nil
}

// give shows entries until all are taken, or ctx ends. A damaged one is told in the log and
// left behind, as waiting does not mend it.
func (l *log) give(ctx context.Context, messages []jetstream.Msg, fn func([]bus.LogEntry) int) bool {
	var entries []bus.LogEntry
	var of []jetstream.Msg // those of entries
	for _, m := range messages {
		e, err := l.entry(m)
		if err != nil {
			l.b.log.Error("an entry is left out", "error", err)
			m.Ack()
			continue
		}
		entries, of = append(entries, e), append(of, m)
	}
	for len(entries) > 0 {
		if ctx.Err() != nil {
			return false
		}
		if kept := fn(entries); kept > 0 {
			acknowledge(ctx, of[:kept])
			entries, of = entries[kept:], of[kept:]
			continue
		}
		select {
		case <-time.After(retryAfter):
			for _, m := range of {
				m.InProgress()
			}
		case <-ctx.Done():
		case <-l.b.done:
			return false
		}
	}
	return true
}

// acknowledge tells of what was kept. The last one's acknowledgement is waited for, so that
// whoever begins next finds where this one has ended; if it is lost, entries come again.
func acknowledge(ctx context.Context, kept []jetstream.Msg) {
	last := len(kept) - 1
	for _, m := range kept[:last] {
		m.Ack()
	}
	ack, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	kept[last].DoubleAck(ack)
}
