package bus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// retryAfter is how long a Log waits before it shows an entry again that was not
// acknowledged.
const retryAfter = 250 * time.Millisecond

// memoryLog is a log of a Memory: it keeps its entries as long as the process.
type memoryLog struct {
	o LogOptions

	mu      sync.Mutex
	entries []LogEntry // the oldest first, without a gap in Seq
	next    uint64     // Seq of the next one, from 1
	held    int64      // bytes of the entries
	ids     map[string]uint64
	acked   map[string]uint64 // by consumer: all up to it
	shown   map[string]uint64 // by consumer: all up to it were shown
	more    chan struct{}     // closed when an entry is added
}

type memoryLogHandle struct {
	b *memoryBus
	*memoryLog
}

func (b *memoryBus) Log(ctx context.Context, name string, o LogOptions) (Log, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	if o.Here {
		return nil, fmt.Errorf("%w: nothing is kept apart from the others in memory", ErrNotFound)
	}
	for _, s := range o.Subjects {
		if err := CheckSubject(s, true); err != nil {
			return nil, err
		}
	}
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	l := b.m.logs[name]
	if l == nil {
		l = &memoryLog{o: o, next: 1, ids: make(map[string]uint64), acked: make(map[string]uint64), shown: make(map[string]uint64), more: make(chan struct{})}
		if b.m.logs == nil {
			b.m.logs = make(map[string]*memoryLog)
		}
		b.m.logs[name] = l
	}
	return memoryLogHandle{b, l}, nil
}

// Append is done before it returns.
func (h memoryLogHandle) Append(ctx context.Context, subject, id string, data []byte, done func(uint64, error)) error {
	if err := h.b.check(ctx); err != nil {
		return err
	}
	if err := CheckSubject(subject, false); err != nil {
		return err
	}
	if len(h.o.Subjects) > 0 && !slices.ContainsFunc(h.o.Subjects, func(p string) bool { return Matches(p, subject) }) {
		return fmt.Errorf("%w: %s is none of the log's", ErrBadSubject, subject)
	}
	if len(data) > memoryPayload {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), memoryPayload)
	}
	done(h.append(subject, id, data))
	return nil
}

func (l *memoryLog) append(subject, id string, data []byte) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age()
	if seq, ok := l.ids[id]; ok && id != "" {
		return seq, nil
	}
	if l.o.MaxBytes > 0 && l.held+int64(len(data)) > l.o.MaxBytes {
		return 0, fmt.Errorf("%w: the log has %d of %d bytes", ErrFull, l.held, l.o.MaxBytes)
	}
	e := LogEntry{Seq: l.next, Subject: subject, ID: id, Time: time.Now(), Data: slices.Clone(data)}
	l.entries = append(l.entries, e)
	l.next++
	l.held += int64(len(data))
	if id != "" {
		l.ids[id] = e.Seq
	}
	close(l.more)
	l.more = make(chan struct{})
	return e.Seq, nil
}

// age lets go of what is too old, with the lock held.
func (l *memoryLog) age() {
	for l.o.MaxAge > 0 && len(l.entries) > 0 && time.Since(l.entries[0].Time) > l.o.MaxAge {
		l.drop()
	}
}

// drop lets go of the oldest entry, with the lock held.
func (l *memoryLog) drop() {
	e := l.entries[0]
	l.entries[0] = LogEntry{}
	l.entries = l.entries[1:]
	l.held -= int64(len(e.Data))
	delete(l.ids, e.ID)
}

// from returns the first entry from seq on; ok is false if there is none yet, and
// more is closed when there is.
func (l *memoryLog) from(seq uint64) (e LogEntry, more <-chan struct{}, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age()
	i, _ := slices.BinarySearchFunc(l.entries, seq, func(e LogEntry, seq uint64) int {
		switch {
		case e.Seq < seq:
			return -1
		case e.Seq > seq:
			return 1
		}
		return 0
	})
	if i == len(l.entries) {
		return LogEntry{}, l.more, false
	}
	e = l.entries[i]
	e.Data = slices.Clone(e.Data)
	return e, nil, true
}

func (h memoryLogHandle) Read(ctx context.Context, seq uint64, fn func(LogEntry) error) error {
	for {
		if err := h.b.check(ctx); err != nil {
			return err
		}
		e, _, ok := h.from(seq)
		if !ok {
			return nil
		}
		if err := fn(e); err != nil {
			return err
		}
		seq = e.Seq + 1
	}
}

// acknowledge notes that a consumer has all up to seq.
func (l *memoryLog) acknowledge(consumer string, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[consumer] = seq
	for l.o.Queue && len(l.entries) > 0 && l.entries[0].Seq <= seq {
		l.drop()
	}
}

// show notes that all up to an entry are shown to a consumer, and returns up to where they were.
func (l *memoryLog) show(consumer string, seq uint64) (before uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.shown[consumer]
	l.shown[consumer] = max(before, seq)
	return before
}

func (h memoryLogHandle) Consume(ctx context.Context, consumer string, fn func([]LogEntry) int) error {
	before := h.show(consumer, 0)
	for {
		if err := h.b.check(ctx); err != nil {
			return err
		}
		h.mu.Lock()
		seq := h.acked[consumer] + 1
		h.mu.Unlock()
		e, more, ok := h.from(seq)
		if ok {
			h.show(consumer, e.Seq)
			e.Again = e.Seq <= before
			if fn([]LogEntry{e}) > 0 {
				h.acknowledge(consumer, e.Seq)
				continue
			}
		}
		var again <-chan time.Time
		if ok {
			again = time.After(retryAfter)
		}
		select {
		case <-more:
		case <-again:
		case <-h.b.done:
		case <-ctx.Done():
		}
	}
}
