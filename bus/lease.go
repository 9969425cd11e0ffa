package bus

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// LeaseTTL is the time to live of a bucket for leases: one is free so long after its
// holder's last word. An election of the bus takes 4 to 9 s, so a shorter lease would be
// lost by a healthy holder when another machine dies.
const LeaseTTL = 20 * time.Second

// The other times of a lease.
const (
	leaseRenew = 2 * time.Second
	leaseTry   = time.Second
	leaseStop  = 15 * time.Second // the holder stops by itself after so long without success
)

// nonceSize is the size of the number before the holder's name.
const nonceSize = 16

// Lease says that its holder is the only one: from Acquire until Lost. Its methods may
// be called concurrently.
type Lease struct {
	bucket Bucket
	key    string
	value  []byte // the holder's name and a number of its own
	token  uint64
	end    context.CancelFunc

	mu      sync.Mutex
	rev     uint64
	renewed time.Time // when the last renewal that succeeded was begun
	tried   time.Time // when the first one behind it was begun whose answer is not known; or zero
	cause   error     // why it is lost
	lost    chan struct{}
	done    chan struct{} // the renewing goroutine has ended
}

// Acquire waits until the lease named key is free and takes it. bucket must have been
// opened with a TTL of LeaseTTL. holder is what others read with Holder.
func Acquire(ctx context.Context, bucket Bucket, key, holder string) (*Lease, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	l := &Lease{bucket: bucket, key: key, value: append(nonce, holder...), lost: make(chan struct{}), done: make(chan struct{})}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	if err := bucket.Watch(watch, func(e Entry) {
		if e.Key == key && e.Op == OpGone {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}); err != nil {
		return nil, err
	}
	for {
		err := l.create(ctx)
		if err == nil {
			l.token = l.rev
			var renewing context.Context
			renewing, l.end = context.WithCancel(context.WithoutCancel(ctx))
			go l.renew(renewing)
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the lease of %s: %w", key, ctx.Err())
		}
		if errors.Is(err, ErrClosed) || errors.Is(err, ErrBadSubject) {
			return nil, err
		}
		select {
		case <-changed:
		case <-time.After(leaseRenew): // the bus was away, or a change was not told
		case <-ctx.Done():
			return nil, fmt.Errorf("the lease of %s: %w", key, ctx.Err())
		}
	}
}

// create makes the entry, or finds that an earlier try whose answer was lost has.
func (l *Lease) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTry)
	defer cancel()
	begun := time.Now()
	rev, err := l.bucket.Create(ctx, l.key, l.value)
	if errors.Is(err, ErrConflict) {
		rev, err = l.mine(ctx, err)
		begun = l.tried // it was that one, or a later one
	}
	l.note(begun, rev, err)
	return err
}

// note takes the outcome of a try that was begun then.
func (l *Lease) note(begun time.Time, rev uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.rev, l.renewed, l.tried = rev, begun, time.Time{}
	case l.tried.IsZero() && !errors.Is(err, ErrConflict):
		l.tried = begun
	}
}

// mine returns the revision of the entry if it is ours, and otherwise err.
func (l *Lease) mine(ctx context.Context, err error) (uint64, error) {
	e, getErr := l.bucket.Get(ctx, l.key)
	switch {
	case errors.Is(getErr, ErrNotFound):
		return 0, err
	case getErr != nil:
		return 0, getErr
	case bytes.Equal(e.Value, l.value):
		return e.Revision, nil
	}
	return 0, err
}

// renew writes the entry again and again until the lease is lost or released.
func (l *Lease) renew(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := l.update(ctx)
		switch {
		case errors.Is(err, ErrConflict):
			l.lose(fmt.Errorf("the lease of %s: somebody else has it", l.key))
			return
		case errors.Is(err, ErrClosed):
			l.lose(err)
			return
		}
		if !l.Valid() {
			l.lose(fmt.Errorf("the lease of %s: not renewed for %v: %w", l.key, leaseStop, err))
			return
		}
	}
}

// update writes the entry again. A conflict may be with an earlier try of ours whose answer
// was lost. Then the lease is as old as that one, not as this one; and where the entry is
// still the one that we know, whoever answers is cut off from the others and has our own try
// in mind: that renews nothing.
func (l *Lease) update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTry)
	defer cancel()
	l.mu.Lock()
	rev, tried := l.rev, l.tried
	l.mu.Unlock()
	begun := time.Now()
	next, err := l.bucket.Update(ctx, l.key, l.value, rev)
	if errors.Is(err, ErrConflict) {
		if next, err = l.mine(ctx, err); err == nil && (next <= rev || tried.IsZero()) {
			err = errNotRenewed
		}
		begun = tried
	}
	l.note(begun, next, err)
	return err
}

var errNotRenewed = errors.New("bus: nobody confirms the renewal")

func (l *Lease) lose(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = cause
		close(l.lost)
	}
}

// Token is the fencing token: each later holder's is larger.
func (l *Lease) Token() uint64 { return l.token }

// Valid reports whether the lease is still held, by the clock of the wall too: a
// process that was stopped knows it before it has run again for a moment. Ask it
// before each step that only the holder may take.
func (l *Lease) Valid() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return l.cause == nil && now.Sub(l.renewed) < leaseStop && now.Round(0).Sub(l.renewed.Round(0)) < leaseStop
}

// Lost is closed when the lease is not held any more.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Cause says why it is lost; nil while it is held.
func (l *Lease) Cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// ErrReleased is the cause of a lease that its holder has given back.
var ErrReleased = errors.New("bus: the lease was released")

// Release gives the lease back, so that the next one has it at once.
func (l *Lease) Release(ctx context.Context) error {
	l.end()
	<-l.done
	l.lose(ErrReleased)
	if !errors.Is(l.Cause(), ErrReleased) {
		return nil // it was lost before
	}
	// After a conflict either somebody else has it, or a renewal has moved it whose answer was
	// lost, or that is still under way: who answers our look may not have seen it yet.
	rev := l.rev
	err := l.bucket.Delete(ctx, l.key, rev)
	for wait := time.Duration(0); errors.Is(err, ErrConflict) && wait <= leaseRenew; wait = 2*wait + leaseRenew/64 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
		if rev, err = l.mine(ctx, nil); err != nil || rev == 0 {
			return err
		}
		err = l.bucket.Delete(ctx, l.key, rev)
	}
	return err
}

// Holder returns who holds the lease named key, and its revision, or ErrNotFound.
func Holder(ctx context.Context, bucket Bucket, key string) (string, uint64, error) {
	e, err := bucket.Get(ctx, key)
	if err != nil {
		return "", 0, err
	}
	name, ok := e.Holder()
	if !ok {
		return "", 0, fmt.Errorf("the lease of %s has a value of another form", key)
	}
	return name, e.Revision, nil
}

// Holder returns who holds the lease whose value this is; ok is false if it is no lease's.
func (e Entry) Holder() (name string, ok bool) {
	if len(e.Value) < nonceSize {
		return "", false
	}
	return string(e.Value[nonceSize:]), true
}
