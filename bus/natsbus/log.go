package natsbus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

const (
	// idsFor is how long a log knows an id again.
	idsFor = 10 * time.Minute
	// retryAfter is when an entry that was not acknowledged is shown again.
	retryAfter = 250 * time.Millisecond
	// leaveFor bounds how long one that reads no more waits for the log to know it.
	leaveFor = 5 * time.Second
	// fetchMost is how many entries a consumer takes at once, and fetchBytes of which size.
	fetchMost  = 1024
	fetchBytes = 16 << 20

	crcHeader = "Parley-Crc32c"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// log is a stream of JetStream.
type log struct {
	b       *Bus
	js      jetstream.JetStream
	local   bool // this machine keeps it alone
	name    string
	stream  jetstream.Stream
	prefix  string // in front of what is appended, where the log takes any subject
	allowed []string
	writer  *appender
}

// Log opens the log named name.
func (b *Bus) Log(ctx context.Context, name string, o bus.LogOptions) (bus.Log, error) {
	for _, s := range o.Subjects {
		if err := bus.CheckSubject(s, true); err != nil {
			return nil, err
		}
	}
	l := &log{b: b, js: b.js, local: o.Here, name: streamName(name)}
	config := b.logConfig(l.name, o)
	if o.Here && len(o.Subjects) > 0 {
		return nil, fmt.Errorf("log %s: %w: a log of this machine alone has subjects of its own, as the others hear what is published", name, bus.ErrBadSubject)
	}
	if len(o.Subjects) == 0 {
		l.prefix = "parley.log." + bus.Token(name) + "."
		if o.Here { // the others' streams would take it too, and acknowledge it
			l.prefix = "parley.here." + bus.Token(b.o.HereDomain) + "." + bus.Token(name) + "."
		}
		config.Subjects = []string{l.prefix + ">"}
	}
	open := b.open
	if o.Here {
		if l.js, open = b.here, b.openHere; l.js == nil {
			return nil, fmt.Errorf("log %s: %w: this machine keeps nothing apart from the others", name, bus.ErrNotFound)
		}
	}
	err := open(ctx, func(ctx context.Context) (err error) {
		if l.stream, err = l.js.Stream(ctx, l.name); errors.Is(err, jetstream.ErrStreamNotFound) {
			if l.stream, err = l.js.CreateStream(ctx, config); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				err = errNotYet // another one has made it meanwhile
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", name, err)
	}
	is := l.stream.CachedInfo().Config
	l.allowed, l.writer = is.Subjects, newAppender(b, l.js, is.AllowAtomicPublish)
	return l, nil
}

// streamName is the stream of a log. A server takes names of at most 255 bytes, so a longer one
// ends with its SHA-256.
func streamName(log string) string {
	const most = 200
	name := "LOG_" + bus.Token(log)
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(log))
	return name[:most-2*len(sum)] + hex.EncodeToString(sum[:])
}

func (b *Bus) logConfig(name string, o bus.LogOptions) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: name, Subjects: o.Subjects, Storage: jetstream.FileStorage, Replicas: max(b.o.Replicas, o.Replicas), MaxAge: o.MaxAge,
		MaxBytes: -1, MaxMsgs: -1, MaxMsgSize: -1, MaxConsumers: -1, Discard: jetstream.DiscardNew, Duplicates: idsFor, DenyPurge: false, AllowAtomicPublish: true,
	}
	if o.Queue {
		c.Retention = jetstream.WorkQueuePolicy
	}
	if o.Here {
		c.Replicas = 1
	}
	if o.MaxBytes > 0 {
		c.MaxBytes = o.MaxBytes
	}
	if o.MaxAge > 0 {
		c.Duplicates = min(c.Duplicates, o.MaxAge)
	}
	return c
}

// fault returns why a server in this process keeps nothing any more.
func (b *Bus) fault() error {
	if b.o.Fault == nil {
		return nil
	}
	return b.o.Fault()
}

// here returns why nothing can be appended or read now.
func (l *log) here(ctx context.Context) error {
	if !l.local {
		return l.b.check(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.b.checkHere()
}

// Append adds an entry.
func (l *log) Append(ctx context.Context, subject, id string, data []byte, done func(seq uint64, err error)) error {
	if err := l.here(ctx); err != nil {
		return err
	}
	if err := errors.Join(l.b.fault(), l.b.fits(subject, len(data))); err != nil {
		return err
	}
	at := l.prefix + subject
	if !slices.ContainsFunc(l.allowed, func(p string) bool { return bus.Matches(p, at) }) {
		return fmt.Errorf("%w: %s is none of the log's", bus.ErrBadSubject, subject)
	}
	return l.writer.add(ctx, at, id, data, done)
}

// entry returns what a message of the stream is, or that it is damaged.
func (l *log) entry(m jetstream.Msg) (bus.LogEntry, error) {
	meta, err := m.Metadata()
	if err != nil {
		return bus.LogEntry{}, err
	}
	e := bus.LogEntry{Seq: meta.Sequence.Stream, Subject: strings.TrimPrefix(m.Subject(), l.prefix), ID: m.Headers().Get(nats.MsgIdHdr), Time: meta.Timestamp, Data: m.Data()}
	sum, err := strconv.ParseUint(m.Headers().Get(crcHeader), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(e.Data, castagnoli) {
		return e, fmt.Errorf("natsbus: log %s: entry %d is damaged: its checksum is another one", l.name, e.Seq)
	}
	return e, nil
}

// Read calls fn for each entry from seq on.
func (l *log) Read(ctx context.Context, seq uint64, fn func(bus.LogEntry) error) error {
	if err := l.here(ctx); err != nil {
		return err
	}
	info, err := l.stream.Info(ctx)
	if err != nil {
		return told(ctx, err)
	}
	last := info.State.LastSeq
	if seq > last || info.State.Msgs == 0 {
		return nil
	}
	c, err := l.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(seq, 1)})
	if err != nil {
		return told(ctx, err)
	}
	messages, err := c.Messages()
	if err != nil {
		return told(ctx, err)
	}
	defer messages.Stop()
	for {
		m, err := l.next(ctx, messages)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			if more, err := l.has(ctx, seq, last); !more {
				return err
			}
			continue
		}
		if err != nil {
			return told(ctx, err)
		}
		e, err := l.entry(m)
		if err == nil {
			err = fn(e)
		}
		if err != nil || e.Seq >= last {
			return err
		}
		seq = e.Seq + 1
		// A replica that is behind the others has nothing more for now.
		if meta, _ := m.Metadata(); meta.NumPending == 0 {
			if more, err := l.has(ctx, seq, last); !more {
				return err
			}
		}
	}
}

// next returns the next message, or context.DeadlineExceeded after a second without.
func (l *log) next(ctx context.Context, messages jetstream.MessagesContext) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return messages.Next(jetstream.NextContext(ctx))
}

// has reports whether the log has an entry from seq to last; whoever leads it is asked.
func (l *log) has(ctx context.Context, seq, last uint64) (bool, error) {
	m, err := l.stream.GetMsg(ctx, max(seq, 1), jetstream.WithGetMsgSubject(">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil && m.Sequence <= last, told(ctx, err)
}
