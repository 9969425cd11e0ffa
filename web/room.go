package web

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// Room is a cluster's room as a target.
type Room struct{ room *cluster.Room }

// NewRoom returns the target of a room, which has its name.
func NewRoom(r *cluster.Room) *Room { return &Room{r} }

// Name is Target's.
func (r *Room) Name() string { return r.room.Name() }

// Kind is Target's.
func (r *Room) Kind() string { return "room" }

// State counts who is there on this node.
func (r *Room) State() string { return fmt.Sprintf("%d members here", len(r.room.Members())) }

// Call is Target's.
func (r *Room) Call(context.Context, parley.Message) (parley.Message, error) {
	return parley.Message{}, ErrNoAnswers
}

// Subscribe is Target's: the subscriber becomes a member of the room.
func (r *Room) Subscribe(o SubscribeOptions, take func(Message)) (Subscription, error) {
	rec, err := r.room.Receive(cluster.ReceiveOptions{ID: o.ID, Messages: o.Messages, Bytes: o.Bytes, Latest: o.Latest}, func(d cluster.Delivery) {
		m := Message{Message: d.Message, At: d.At, From: d.Node, Proto: d.Proto}
		if d.Conn != "" {
			m.From += "/" + d.Conn
		}
		var missed *cluster.MissedError
		if errors.As(d.Err, &missed) {
			m.Missed = missed.Count
		}
		take(m)
	})
	if err != nil {
		return nil, err
	}
	if o.Unlisted {
		return &roomSubscription{rec, func() {}}, nil
	}
	leave := r.room.Enter(cluster.Member{ID: o.ID, Peer: o.Peer, Name: o.User, Wire: "web"}, o.Kill)
	return &roomSubscription{rec, leave}, nil
}

type roomSubscription struct {
	*cluster.Receiver
	leave func()
}

// Send is Subscription's. Those of this node have it, also when the bus is away.
func (s *roomSubscription) Send(ctx context.Context, m parley.Message) error {
	err := s.Publish(ctx, m)
	if errors.Is(err, bus.ErrNoBus) {
		return fmt.Errorf("those on this node have it, others not: %w", err)
	}
	return err
}

// Close is Subscription's.
func (s *roomSubscription) Close() {
	s.leave()
	s.Receiver.Close()
}
