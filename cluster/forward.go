package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
)

const (
	// patience is how long a call waits before it looks whether its owner is still there,
	// and how often.
	patience = 500 * time.Millisecond
	// lookFor bounds that look, so that who waits knows within 2 s.
	lookFor = time.Second
)

// A call is the form alone, which only asks whether the owner is there, or the form, the time that is left in milliseconds and the message's envelope. Its
// answer is the form, an outcome, and the text of an error or the messages, each its
// envelope behind its length.
const callHead = 1 + 4

// outcome is how a call has ended.
type outcome uint8

const (
	answered outcome = iota
	failed           // the device, or the way to it, has failed
	unowned          // this node does not have the device: nothing was sent
)

// Forward gives m to a device wherever its owner is, and returns its answers, as Owner.Call
// does. This node need not take part in the ownership.
func (n *Node) Forward(ctx context.Context, device string, m parley.Message) ([]parley.Message, error) {
	return handedOver(ctx, func() ([]parley.Message, error) { return n.forward(ctx, device, m) })
}

// handedOver calls once, and again for a moment while the device has no owner.
func handedOver(ctx context.Context, once func() ([]parley.Message, error)) ([]parley.Message, error) {
	for begun := time.Now(); ; {
		all, err := once()
		if !errors.Is(err, ErrNoOwner) || time.Since(begun) > handover || !sleep(ctx, handover/50) {
			return all, err
		}
	}
}

func (n *Node) forward(ctx context.Context, device string, m parley.Message) ([]parley.Message, error) {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ownerFor)
		defer cancel()
	}
	deadline, _ := ctx.Deadline()
	p := binary.BigEndian.AppendUint32([]byte{form}, uint32(min(max(time.Until(deadline).Milliseconds(), 1), 1<<31)))
	e := envelope{incarnation: n.incarnation, seq: n.lastCall.Add(1), node: n.o.Name, at: time.Now(), m: m}
	p, err := e.append(p)
	if err != nil {
		return nil, err
	}
	if !n.bus.Status().Up {
		return nil, fmt.Errorf("cluster: device %s: it was not sent: %w", device, bus.ErrNoBus)
	}
	call, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	watch := time.AfterFunc(patience, func() { n.watchOwner(call, device, e.callID(), lost) })
	defer watch.Stop()
	answer, err := n.bus.Request(call, n.subject("own", device, "req"), p)
	switch cause := context.Cause(call); {
	case err == nil:
		return parseAnswer(device, answer)
	case errors.Is(err, bus.ErrNoResponder):
		return nil, fmt.Errorf("%w: %s", ErrNoOwner, device)
	case errors.Is(cause, ErrOwnerLost):
		return nil, cause
	}
	return nil, fmt.Errorf("cluster: device %s: it may have arrived: %w", device, err)
}

// callID names a call among all that are under way anywhere.
func (e *envelope) callID() string { return fmt.Sprintf("%016x.%d", e.incarnation, e.seq) }

// watchOwner ends a call whose owner is not there any more, or does not know of it: what is
// said to a node in the moment in which it lets go of the device may be lost. An owner
// that says twice that it does not know of it has not sent the answer meanwhile.
func (n *Node) watchOwner(call context.Context, device, id string, lost context.CancelCauseFunc) {
	unknown := 0
	for ; call.Err() == nil; sleep(call, patience) {
		owner, err := n.OwnerOf(call, device)
		if err == nil {
			look, cancel := context.WithTimeout(call, lookFor)
			_, err = n.ask(look, owner, question{Op: "call", ID: id})
			cancel()
		}
		if errors.Is(err, ErrNoConn) {
			if unknown++; unknown < 2 {
				continue
			}
		}
		if err != nil && call.Err() == nil {
			lost(fmt.Errorf("%w: %s on node %s: it may have arrived", ErrOwnerLost, device, owner))
			return
		}
	}
}

// underWay notes that a call of another node is being done here, until end is called.
func (n *Node) underWay(id string) (end func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls[id] = struct{}{}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.calls, id)
	}
}

// asked takes a call of another node.
func (o *Owner) asked(msg bus.Message) {
	if msg.Respond == nil {
		return
	}
	select {
	case o.wait <- struct{}{}:
	default:
		o.answer(msg, failed, fmt.Errorf("%d calls wait for the device already: it was not sent", maxWaiting))
		return
	}
	go func() {
		defer func() { <-o.wait }()
		o.serve(msg)
	}()
}

// serve answers a call of another node.
func (o *Owner) serve(msg bus.Message) {
	p := msg.Data
	if len(p) == 1 && p[0] == form { // one that leaves asks whether this one has the device now
		o.answerAll(msg, nil)
		return
	}
	if len(p) < callHead || p[0] != form {
		o.answer(msg, failed, errForm)
		return
	}
	left := time.Duration(binary.BigEndian.Uint32(p[1:])) * time.Millisecond
	e, err := parse(p[callHead:])
	if err != nil {
		o.answer(msg, failed, err)
		return
	}
	defer o.node.underWay(e.callID())()
	ctx, cancel := context.WithTimeout(context.Background(), left)
	defer cancel()
	all, err := o.do(ctx, e.m)
	switch {
	case errors.Is(err, ErrNoOwner):
		o.answer(msg, unowned, err)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		o.answer(msg, failed, errors.New("no answer within the time of the call: it may have arrived"))
	case err != nil:
		o.answer(msg, failed, err)
	default:
		o.answerAll(msg, all)
	}
}

func (o *Owner) answer(msg bus.Message, how outcome, err error) {
	text := o.node.o.Name + ": " + err.Error()
	if err := msg.Respond(append([]byte{form, byte(how)}, text...)); err != nil {
		o.node.log.Debug("a call of another node could not be answered", "device", o.device, "err", err)
	}
}

func (o *Owner) answerAll(msg bus.Message, all []parley.Message) {
	p := []byte{form, byte(answered)}
	for _, m := range all {
		e := envelope{incarnation: o.node.incarnation, node: o.node.o.Name, at: time.Now(), m: m}
		one, err := e.append(nil)
		if err != nil {
			o.answer(msg, failed, err)
			return
		}
		p = append(binary.BigEndian.AppendUint32(p, uint32(len(one))), one...)
	}
	if most := o.node.bus.MaxPayload(); len(p) > most {
		o.answer(msg, failed, fmt.Errorf("%w: an answer of %d bytes, at most %d between nodes", ErrTooLarge, len(p), most))
		return
	}
	if err := msg.Respond(p); err != nil {
		o.node.log.Debug("a call of another node could not be answered", "device", o.device, "err", err)
	}
}

// parseAnswer reads what an owner says.
func parseAnswer(device string, p []byte) (all []parley.Message, err error) {
	if len(p) < 2 || p[0] != form || outcome(p[1]) > unowned {
		return nil, fmt.Errorf("cluster: device %s: its owner is of another version: %w", device, errForm)
	}
	switch how, p := outcome(p[1]), p[2:]; how {
	case failed:
		return nil, fmt.Errorf("cluster: device %s, at its owner on node %s", device, p)
	case unowned:
		return nil, fmt.Errorf("%w: %s", ErrNoOwner, device)
	default:
		for len(p) > 0 {
			if len(p) < 4 || len(p)-4 < int(binary.BigEndian.Uint32(p)) {
				return nil, fmt.Errorf("cluster: device %s: %w", device, errForm)
			}
			size := int(binary.BigEndian.Uint32(p))
			e, err := parse(p[4 : 4+size])
			if err != nil {
				return nil, fmt.Errorf("cluster: device %s: %w", device, err)
			}
			all = append(all, e.m)
			p = p[4+size:]
		}
		return all, nil
	}
}
