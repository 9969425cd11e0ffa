package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
)

const (
	// maxWaiting is how many calls of others may wait at an owner; more are refused.
	maxWaiting = 256
	// ownerFor bounds a call without a deadline.
	ownerFor = 30 * time.Second
	// handover is how long a device may take from one owner to the next.
	handover = time.Second
	// handoverMost is how long one that leaves waits for a next one that is slow.
	handoverMost = 10 * time.Second
	// ownAgain is when one that could not try to become the owner tries again.
	ownAgain = time.Second
)

// OwnerOptions say what an owner does with its device.
type OwnerOptions struct {
	// Do gives m to the device and returns its answers; token is that of the ownership: each
	// later owner's is larger. One call at a time. ctx ends when the device
	// is not ours any more, when the caller waits no longer, and when its node
	// leaves without patience. It must not keep m's bytes.
	Do func(ctx context.Context, token uint64, m parley.Message) ([]parley.Message, error)
	// Lost is called when the device is not ours any more, before another node may
	// have it: it lets go of the device. nil: there is nothing to let go of.
	Lost func()
}

// Owner is this node's part in the ownership of a device: it has it, or waits for it, and
// either way passes on what is asked. Its methods may be called concurrently.
type Owner struct {
	node   *Node
	device string
	o      OwnerOptions
	turn   chan struct{} // held while the device is used
	wait   chan struct{} // a place for each call of others
	stop   context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	lease   *bus.Lease // nil: another one has it, or nobody
	held    context.Context
	leaving bool
	had     bool // this node has had the device
	calls   sync.WaitGroup
}

// Own takes part in the ownership of a device: this node has it as soon as no other has.
// When it dies, or can't reach the others for 15 s, it has it no more, and another node that
// takes part has it from 20 s on.
func (n *Node) Own(device string, o OwnerOptions) (*Owner, error) {
	if err := checkDevice(device); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	own := &Owner{node: n, device: device, o: o, stop: stop, ended: make(chan struct{}), turn: make(chan struct{}, 1), wait: make(chan struct{}, maxWaiting)}
	n.mu.Lock()
	n.parts[own] = struct{}{}
	n.mu.Unlock()
	go own.run(ctx)
	return own, nil
}

// run has the device, or waits for it, until ctx ends.
func (o *Owner) run(ctx context.Context) {
	defer close(o.ended)
	defer func() {
		o.node.mu.Lock()
		delete(o.node.parts, o)
		o.node.mu.Unlock()
	}()
	for ctx.Err() == nil {
		if err := o.hold(ctx); err != nil && ctx.Err() == nil {
			o.node.log.Debug("nobody can be asked whose the device is", "device", o.device, "err", err)
			sleep(ctx, ownAgain)
		}
	}
}

// hold waits for the device and has it, once.
func (o *Owner) hold(ctx context.Context) error {
	bucket, err := o.node.owners(ctx)
	if err != nil {
		return err
	}
	next, err := o.node.bus.Subscribe(o.nextSubject(), bus.SubscribeOptions{}, func(m bus.Message) {
		if m.Respond != nil {
			m.Respond([]byte{form})
		}
	})
	if err != nil {
		return err
	}
	lease, err := bus.Acquire(ctx, bucket, bus.Token(o.device), o.node.o.Name)
	next.Close()
	if err != nil {
		return err
	}
	held, lost := context.WithCancelCause(context.Background())
	o.mu.Lock()
	o.lease, o.held, o.had = lease, held, true
	o.mu.Unlock()
	o.node.change()
	sub, err := o.node.bus.Subscribe(o.node.subject("own", o.device, "req"), bus.SubscribeOptions{}, o.asked)
	if err == nil {
		o.node.log.Info("this node has the device", "device", o.device, "token", lease.Token())
		select {
		case <-lease.Lost():
			lost(fmt.Errorf("%w: %w", ErrNoOwner, lease.Cause()))
			o.node.log.Warn("this node has the device no more", "device", o.device, "token", lease.Token(), "err", lease.Cause())
			sub.Close()
		case <-ctx.Done():
			sub.Drain() // whoever has asked is told that this node has it no more, and asks the next one
		}
	}
	o.let(lease)
	lost(ErrNoOwner)
	return err
}

// let lets go of the device when nothing is under way any more, then of the lease: in
// this order, so that the next owner finds the device free.
func (o *Owner) let(lease *bus.Lease) {
	o.mu.Lock()
	o.lease = nil
	o.mu.Unlock()
	o.node.change()
	o.calls.Wait()
	if o.o.Lost != nil {
		o.o.Lost()
	}
	release, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := lease.Release(release); err != nil {
		o.node.log.Debug("the device is free only when its lease is old", "device", o.device, "err", err)
	}
}

// begin notes a call, and returns what it needs, or ErrNoOwner.
func (o *Owner) begin() (*bus.Lease, context.Context, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lease == nil || o.leaving || !o.lease.Valid() {
		return nil, nil, fmt.Errorf("%w: %s", ErrNoOwner, o.device)
	}
	o.calls.Add(1)
	return o.lease, o.held, nil
}

// Holds returns the token if this node has the device.
func (o *Owner) Holds() (token uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lease == nil || !o.lease.Valid() {
		return 0, false
	}
	return o.lease.Token(), true
}

// do uses the device, in turn.
func (o *Owner) do(ctx context.Context, m parley.Message) ([]parley.Message, error) {
	lease, held, err := o.begin()
	if err != nil {
		return nil, err
	}
	defer o.calls.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(held, func() { cancel(context.Cause(held)) })()
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("cluster: device %s: it was not sent: %w", o.device, context.Cause(ctx))
	}
	// A process that was stopped believes in its lease for a moment; the clock does not.
	if !lease.Valid() {
		return nil, fmt.Errorf("%w: %s", ErrNoOwner, o.device)
	}
	return o.o.Do(ctx, lease.Token(), m)
}

// Call gives m to the device, here or where its owner is, and returns its answers. It is never
// sent twice: with ErrNoOwner it was not sent, with other errors, as ErrOwnerLost, it may have
// arrived, unless their text says otherwise.
//
// A device that is being handed over is waited for, for a second.
func (o *Owner) Call(ctx context.Context, m parley.Message) ([]parley.Message, error) {
	return handedOver(ctx, func() ([]parley.Message, error) { return o.once(ctx, m) })
}

func (o *Owner) once(ctx context.Context, m parley.Message) ([]parley.Message, error) {
	if _, here := o.Holds(); here {
		return o.do(ctx, m)
	}
	return o.node.forward(ctx, o.device, m)
}

// nextSubject is where those answer who wait for the device.
func (o *Owner) nextSubject() string { return o.node.subject("own", o.device, "next") }

// handOver waits until one of those has the device who wait for it, if there are any. They
// need the bus for it, which may end with this node.
func (o *Owner) handOver(ctx context.Context) error {
	ctx, end := context.WithTimeout(ctx, handoverMost)
	defer end()
	ask, cancel := context.WithTimeout(ctx, handover/5) // one that takes it this moment may not answer
	defer cancel()
	_, err := o.node.bus.Request(ask, o.nextSubject(), []byte{form})
	for ; err == nil || errors.Is(err, context.DeadlineExceeded); sleep(ctx, handover/50) { // or who waits is slow
		look, cancel := context.WithTimeout(ctx, handover)
		_, err = o.node.bus.Request(look, o.node.subject("own", o.device, "req"), []byte{form})
		cancel()
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("cluster: device %s: it is free, and the next one has not taken it yet: %w", o.device, ctx.Err())
		case err == nil:
			return nil // it knows that it has it
		case errors.Is(err, bus.ErrNoResponder):
			err = nil
		}
	}
	return nil // nobody waits for it, or can be reached
}

// Close gives the device to the next one, when what is under way has ended, and waits until
// that one has it. An error says that ctx has ended before.
func (o *Owner) Close(ctx context.Context) error {
	o.mu.Lock()
	o.leaving = true
	o.mu.Unlock()
	o.stop()
	select {
	case <-o.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	o.mu.Lock()
	had := o.had
	o.mu.Unlock()
	if !had {
		return nil
	}
	return o.handOver(ctx)
}

// owners opens the leases of all devices.
func (n *Node) owners(ctx context.Context) (bus.Bucket, error) {
	open, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return n.bus.Bucket(open, "parley_"+bus.Token(n.o.Namespace)+"_own", bus.BucketOptions{TTL: bus.LeaseTTL})
}

// OwnerOf returns the node that has a device, or ErrNoOwner.
func (n *Node) OwnerOf(ctx context.Context, device string) (node string, err error) {
	bucket, err := n.owners(ctx)
	if err != nil {
		return "", err
	}
	node, _, err = bus.Holder(ctx, bucket, bus.Token(device))
	if errors.Is(err, bus.ErrNotFound) {
		return "", fmt.Errorf("%w: %s", ErrNoOwner, device)
	}
	return node, err
}

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
