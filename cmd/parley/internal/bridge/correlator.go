package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
)

// correlator keeps the commands of a client that is spoken to only in answer, and the
// messages of the target, in step.
type correlator struct {
	answers int // that each command has, or AnyAnswers

	mu      sync.Mutex
	asked   bool               // a command has reached the target
	before  bool               // asked, before the latest command
	silent  bool               // nothing has come since the latest command
	told    bool               // its client knows that it will get no answer
	due     int                // answers that are still to come, where their number is known
	waits   context.Context    // of the command whose answers are due, or nil
	end     context.CancelFunc // of waits
	changed chan struct{}      // closed at each change
}

func newCorrelator(answers int) *correlator {
	return &correlator{answers: answers, changed: make(chan struct{})}
}

// wait returns when the next command may go to the target.
func (d *correlator) wait(ctx context.Context) error {
	return d.until(ctx, func() bool { return d.due == 0 })
}

// until waits until ready, which is called with the lock held, returns true.
func (d *correlator) until(ctx context.Context, ready func() bool) error {
	for {
		d.mu.Lock()
		ok, changed := ready(), d.changed
		d.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open notes that a command is about to go to the target. expired is called if its
// answers have not come when nothing has moved for the given time.
func (d *correlator) open(limit time.Duration, moved func() uint64, expired func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before, d.asked, d.silent, d.told = d.asked, true, true, false
	if d.answers > 0 {
		d.due = d.answers
		wait, cancel := moving.While(context.Background(), limit, moved)
		d.end = cancel
		context.AfterFunc(wait, func() {
			d.mu.Lock()
			late := wait.Err() == context.DeadlineExceeded && d.due > 0 && d.waits == wait
			if late {
				d.told = true
				d.settle()
			}
			d.mu.Unlock()
			if late {
				expired()
			}
		})
		d.waits = wait
	}
	d.wake()
}

// cancel notes that the command opened last has not reached the target. It
// reports whether the client is still to be told.
func (d *correlator) cancel() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = d.before
	d.settle()
	return !d.told
}

// admit decides about a message of the target: true means that it answers a
// command, false that it is to be dropped.
func (d *correlator) admit(ctx context.Context, policy Unsolicited) (bool, error) {
	d.mu.Lock()
	answers := d.mayAnswer()
	d.mu.Unlock()
	switch {
	case answers:
		return true, nil
	case policy == DropUnsolicited:
		return false, nil
	case policy == QueueUnsolicited:
		err := d.until(ctx, d.mayAnswer)
		return err == nil, err
	}
	return false, fmt.Errorf("%w: the target has sent what no command of the client has asked for", parley.ErrUnsolicited)
}

// mayAnswer reports whether a message can be an answer now. It is called with
// the lock held.
func (d *correlator) mayAnswer() bool {
	return d.due > 0 || d.answers == AnyAnswers && d.asked
}

// answered notes that a message has been sent to the client.
func (d *correlator) answered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = false
	if d.due > 1 {
		d.due--
	} else {
		d.settle()
	}
}

// lost notes that the target is gone, for good or not. It reports whether the
// client is to be told because it waits for an answer. Where the number of
// answers is not known it may not be waiting; then it is only told at the end,
// where a line too many does no harm.
func (d *correlator) lost(forGood bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	waits := d.due > 0 || d.answers == AnyAnswers && d.silent && forGood
	if waits {
		d.told = true
		d.settle()
	}
	return waits
}

// settle closes the command. It is called with the lock held.
func (d *correlator) settle() {
	d.due, d.silent = 0, false
	if d.end != nil {
		d.end()
		d.waits, d.end = nil, nil
	}
	d.wake()
}

func (d *correlator) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}
