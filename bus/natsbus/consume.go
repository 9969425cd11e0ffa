package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

// shownKey is where a consumer says up to which entry those before it may have taken what they
// have not acknowledged.
const shownKey = "parley-shown"

// consuming is one call of Consume.
type consuming struct {
	*log
	name string
	fn   func([]bus.LogEntry) int
	// begin says that nothing of this consumer is under way.
	begin bool
	// again is the last entry that an earlier Consume may have shown, and shown the last one
	// that fn was shown.
	again, shown uint64
	// kept is the last entry that was taken, as all before it were. A consumer that has gone, as when
	// the bus goes between its end and its successor's begin, is made again behind it.
	kept uint64
}

// Consume calls fn for each entry that the consumer has not acknowledged yet, in order.
func (l *log) Consume(ctx context.Context, consumer string, fn func([]bus.LogEntry) int) error {
	c := consuming{log: l, name: bus.Token(consumer), fn: fn, begin: true}
	defer c.leave()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := l.here(ctx)
		if errors.Is(err, bus.ErrClosed) {
			return err
		}
		if err == nil {
			err = c.round(ctx)
			c.begin = true
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

// round consumes until an error.
func (c *consuming) round(ctx context.Context) error {
	from, err := c.consumer(ctx)
	if err != nil {
		return err
	}
	next := from.CachedInfo().Delivered.Consumer + 1
	for {
		batch, err := from.FetchBytes(fetchBytes, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return err
		}
		begun := next
		if next, err = c.giveAll(ctx, batch.Messages(), next); err != nil {
			return err
		}
		if next == begun {
			if err := c.nothingUnderWay(ctx, from); err != nil {
				return err
			}
		}
		if err := batch.Error(); err != nil && !errors.Is(err, jetstream.ErrNoMessages) && !unanswered(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.here(ctx); err != nil {
			return err
		}
	}
}

// consumer returns the stream's consumer. If entries were given to it that were not
// acknowledged, they would come behind others, so then it is made anew from the
// first of them on.
func (c *consuming) consumer(ctx context.Context) (jetstream.Consumer, error) {
	there, err := c.stream.Consumer(ctx, c.name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return c.stream.CreateConsumer(ctx, c.config())
	case err != nil:
		return nil, err
	}
	info := there.CachedInfo()
	c.kept = max(c.kept, info.AckFloor.Stream)
	if said, err := strconv.ParseUint(info.Config.Metadata[shownKey], 10, 64); err == nil && c.shown == 0 {
		c.again = max(c.again, said)
	}
	if info.NumAckPending == 0 && info.NumRedelivered == 0 || !c.begin {
		return there, nil
	}
	if c.shown == 0 { // who had them was somebody else
		c.again = max(c.again, info.Delivered.Stream)
	}
	return c.anew(ctx, max(c.again, c.shown))
}

// anew makes the consumer anew, from the first entry on that was not acknowledged.
func (c *consuming) anew(ctx context.Context, shown uint64) (jetstream.Consumer, error) {
	config := c.config()
	config.Metadata = map[string]string{shownKey: strconv.FormatUint(shown, 10)}
	if err := c.stream.DeleteConsumer(ctx, c.name); err != nil {
		return nil, err
	}
	return c.stream.CreateConsumer(ctx, config)
}

// config is that of a consumer which goes on behind what was taken.
func (c *consuming) config() jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		Durable: c.name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: fetchMost, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	if c.kept > 0 && c.stream.CachedInfo().Config.Retention != jetstream.WorkQueuePolicy { // where only the others are left
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, c.kept+1
	}
	return config
}

// leave sees to it that whoever comes next knows which entries fn may have taken: those that
// were on their way here it was not shown.
func (c *consuming) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveFor)
	defer cancel()
	if c.here(ctx) != nil {
		return
	}
	there, err := c.stream.Consumer(ctx, c.name)
	if err != nil {
		return
	}
	if info := there.CachedInfo(); info.NumAckPending > 0 {
		c.kept = max(c.kept, info.AckFloor.Stream)
		if _, err = c.anew(ctx, max(c.again, c.shown)); err != nil {
			c.b.log.Debug("whoever reads this log next takes more for shown than was", "log", c.log.name, "error", err)
		}
	}
}

// errOutOfStep: entries were given to the consumer that have not come here, as they were on
// their way when a fetch had ended. They would come later, behind others.
var errOutOfStep = errors.New("natsbus: entries were lost on their way, and come again")

// nothingUnderWay returns an error if the consumer was given entries that have not come here.
func (c *consuming) nothingUnderWay(ctx context.Context, from jetstream.Consumer) error {
	look, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	info, err := from.Info(look)
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
func (c *consuming) giveAll(ctx context.Context, batch <-chan jetstream.Msg, next uint64) (uint64, error) {
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
				c.give(ctx, together[:i])
				return next, errOutOfStep
			}
			next++
		}
		if !c.give(ctx, together) {
			return next, context.Canceled
		}
	}
	return next, nil
}

// give shows entries until all are taken, or ctx ends. A damaged one is told in the log and
// left behind, as waiting does not mend it.
func (c *consuming) give(ctx context.Context, messages []jetstream.Msg) bool {
	var entries []bus.LogEntry
	var of []jetstream.Msg // those of entries
	for _, m := range messages {
		e, err := c.entry(m)
		if err != nil {
			c.b.log.Error("an entry is left out", "error", err)
			m.Ack()
			continue
		}
		e.Again = e.Seq <= c.again
		entries, of = append(entries, e), append(of, m)
	}
	for len(entries) > 0 {
		if ctx.Err() != nil {
			return false
		}
		c.shown = max(c.shown, entries[len(entries)-1].Seq)
		if kept := c.fn(entries); kept > 0 {
			c.kept = max(c.kept, entries[kept-1].Seq)
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
		case <-c.b.done:
			return false
		}
	}
	return true
}

// acknowledge tells of what was kept. The last one's acknowledgement is waited for, so that
// whoever begins next finds where this one has ended. If it is lost, entries come again: here they
// are known, and elsewhere they would not be, so that one that ends tries it more than once.
func acknowledge(ctx context.Context, kept []jetstream.Msg) {
	last := len(kept) - 1
	for _, m := range kept[:last] {
		m.Ack()
	}
	end := time.Now().Add(leaveFor)
	for {
		ack, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		err := kept[last].DoubleAck(ack)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil || time.Now().After(end) {
			return
		}
	}
}
