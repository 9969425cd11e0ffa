package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// member is this process in its rooms.
type member struct {
	link  *link
	node  *cluster.Node
	rooms []*cluster.Room
}

// enter enters rooms; with keep what is said in them is kept.
func enter(ctx context.Context, a *app, names []string, keep bool) (*member, error) {
	for i, name := range names {
		for _, other := range names[:i] {
			if name == other {
				return nil, usagef("--room %s is there twice", name)
			}
		}
	}
	l, err := openBus(ctx, a)
	if err != nil {
		return nil, err
	}
	m := &member{link: l}
	if m.node, err = cluster.Start(ctx, l, cluster.Options{Name: a.bus.node, Namespace: a.bus.namespace, Version: a.version, Logger: a.log}); err != nil {
		l.close()
		if errors.Is(err, cluster.ErrNameTaken) {
			return nil, &fault{code: exitFail, err: err, hint: "give this one another name with --node"}
		}
		return nil, err
	}
	for _, name := range names {
		r, err := m.node.Room(name, cluster.RoomOptions{Keep: keep})
		if err != nil {
			m.close()
			return nil, asUsage(err)
		}
		m.rooms = append(m.rooms, r)
	}
	return m, nil
}

// tell says what others need to know to join, and tells them where this process serves.
func (m *member) tell(a *app, places []string) {
	for _, note := range m.link.notes {
		fmt.Fprintln(a.stderr, note)
	}
	m.node.Serves(places...)
}

// ready returns an error if what is to be kept is not. A bus that is away is none: what is said
// here waits for it.
func (m *member) ready() error {
	if m.link.fault != nil {
		if err := m.link.fault(); err != nil {
			return err
		}
	}
	for _, r := range m.rooms {
		if err := r.KeepError(); err != nil && !errors.Is(err, bus.ErrNoBus) {
			return fmt.Errorf("room %s: what is said is not kept: %w", r.Name(), err)
		}
	}
	return nil
}

// company is what a server has that is in the rooms.
func (m *member) company(a *app) company {
	return company{rooms: m.rooms, tell: func(places []string) { m.tell(a, places) }, ready: m.ready}
}

// close leaves the rooms.
func (m *member) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(m.node.Close(ctx), m.link.close())
}
