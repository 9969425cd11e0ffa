package web

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// Owned is a device that a node of the cluster has, as a target: what pages say goes to its
// owner, whoever that is at the time. Each sees what all pages of this door say, and what
// they are answered.
type Owned struct {
	name   string
	device *cluster.Device
	heard  audience
}

// NewOwned returns the target of a device, which stays the caller's to close.
func NewOwned(name string, d *cluster.Device) *Owned { return &Owned{name: name, device: d} }

// Name is Target's.
func (o *Owned) Name() string { return o.name }

// Kind is Target's.
func (o *Owned) Kind() string { return "device" }

// State says whose the device is.
func (o *Owned) State() string {
	owner, stale := o.device.Owner()
	switch {
	case !o.device.Node().Status().Up:
		return "away: the other nodes can't be reached"
	case owner == "":
		return "no owner: no node has it now"
	case stale:
		return fmt.Sprintf("on node %s: which is silent", owner)
	}
	return "on node " + owner
}

// errNoAnswer: a call to which its device has nothing to say.
var errNoAnswer = errors.New("it was sent, and has no answer: send it, do not call it")

// Call is Target's. Answers behind the first one are for those who subscribe.
func (o *Owned) Call(ctx context.Context, m parley.Message) (parley.Message, error) {
	all, err := o.say(ctx, m)
	if err != nil {
		return parley.Message{}, err
	}
	if len(all) == 0 {
		return parley.Message{}, errNoAnswer
	}
	return all[0], nil
}

// say gives m to the owner, and tells those who subscribe.
func (o *Owned) say(ctx context.Context, m parley.Message) ([]parley.Message, error) {
	begun := time.Now()
	all, err := o.device.Call(ctx, m)
	if !o.heard.some.Load() || errors.Is(err, cluster.ErrNoOwner) || errors.Is(err, bus.ErrNoBus) {
		return all, err
	}
	o.heard.tell(Message{Message: m.Clone(), At: begun, Dir: "c2s"})
	for _, answer := range all {
		o.heard.tell(Message{Message: answer.Clone(), At: time.Now(), Dir: "s2c"})
	}
	return all, err
}

// Subscribe is Target's.
func (o *Owned) Subscribe(so SubscribeOptions, take func(Message)) (Subscription, error) {
	return o.heard.add(so, take, func(ctx context.Context, m parley.Message) error {
		_, err := o.say(ctx, m)
		return err
	}), nil
}
