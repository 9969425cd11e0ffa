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

// The times of a lease. An election of the bus takes 4 to 9 s, so a shorter lease
// would be lost by a healthy holder when another machine dies.
const (
	LeaseTTL   = 20 * time.Second // of the bucket: free so long after the holder's last word
	leaseRenew = 2 * time.Second
	leaseTry   = time.Second
	leaseStop  = 15 * time.Second // the holder stops by itself after so long without success
)

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
	cause   error     // why it is lost
	lost    chan struct{}
	done    chan struct{} // the renewing goroutine has ended
}

// Acquire waits until the lease named key is free and takes it. bucket must have been
// opened with a TTL of LeaseTTL. holder is what others read with Holder.
func Acquire(ctx context.Context, bucket Bucket, key, holder string) (*Lease, error) {
	nonce := make([]byte, 16)
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
		begun := time.Now()
		rev, err := l.create(ctx)
		if err == nil {
			l.token, l.rev, l.renewed = rev, rev, begun
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
func (l *Lease) create(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTry)
	defer cancel()
	rev, err := l.bucket.Create(ctx, l.key, l.value)
	if errors.Is(err, ErrConflict) {
		return l.mine(ctx, err)
	}
	return rev, err
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
		begun := time.Now()
		rev, err := l.update(ctx)
		switch {
		case err == nil:
			l.mu.Lock()
			l.rev, l.renewed = rev, begun
			l.mu.Unlock()
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

func (l *Lease) update(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTry)
	defer cancel()
	l.mu.Lock()
	rev := l.rev
	l.mu.Unlock()
	rev, err := l.bucket.Update(ctx, l.key, l.value, rev)
	if errors.Is(err, ErrConflict) { // or an earlier try whose answer was lost
		return l.mine(ctx, err)
	}
	return rev, err
}

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
	err := l.bucket.Delete(ctx, l.key, l.rev)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	// Either somebody else has it, or a renewal whose answer was lost has moved it.
	rev, err := l.mine(ctx, nil)
	if err != nil || rev == 0 {
		return err
	}
	return l.bucket.Delete(ctx, l.key, rev)
}

// Holder returns who holds the lease named key, and its revision, or ErrNotFound.
func Holder(ctx context.Context, bucket Bucket, key string) (string, uint64, error) {
	e, err := bucket.Get(ctx, key)
	if err != nil {
		return "", 0, err
	}
	if len(e.Value) < 16 {
		return "", 0, fmt.Errorf("the lease of %s has a value of another form", key)
	}
	return string(e.Value[16:]), e.Revision, nil
}
