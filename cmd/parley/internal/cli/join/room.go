package join

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
)

// Member is this process in its rooms.
type Member struct {
	link  *Link
	Node  *cluster.Node
	Rooms []*cluster.Room
}

// Enter enters rooms; with keep what is said in them is kept.
func Enter(ctx context.Context, a *app.App, names []string, keep bool) (*Member, error) {
	for i, name := range names {
		for _, other := range names[:i] {
			if name == other {
				return nil, fault.Usagef("--room %s is there twice", name)
			}
		}
	}
	l, err := openBus(ctx, a)
	if err != nil {
		return nil, err
	}
	m := &Member{link: l}
	if m.Node, err = cluster.Start(ctx, l, cluster.Options{Name: a.Bus.Node, Namespace: a.Bus.Namespace, Version: a.Version, Logger: a.Log}); err != nil {
		l.Close()
		if errors.Is(err, cluster.ErrNameTaken) {
			return nil, &fault.Error{Code: fault.Fail, Err: err, Hint: "give this one another name with --node"}
		}
		return nil, err
	}
	for _, name := range names {
		r, err := m.Node.Room(name, cluster.RoomOptions{Keep: keep})
		if err != nil {
			m.Close()
			return nil, fault.AsUsage(err)
		}
		m.Rooms = append(m.Rooms, r)
	}
	return m, nil
}

// Tell says what others need to know to join, and tells them where this process serves.
func (m *Member) Tell(a *app.App, places []string) {
	for _, note := range m.link.notes {
		fmt.Fprintln(a.Stderr, note)
	}
	if host, err := os.Hostname(); err == nil {
		for i, p := range places { // what is on all addresses is at localhost, but not for others
			places[i] = strings.Replace(p, "://localhost:", "://"+host+":", 1)
		}
	}
	m.Node.Serves(places...)
}

// Ready returns an error if what is to be kept is not. A bus that is away is none: what is said
// here waits for it.
func (m *Member) Ready() error {
	if m.link.fault != nil {
		if err := m.link.fault(); err != nil {
			return err
		}
	}
	for _, r := range m.Rooms {
		if err := r.KeepError(); err != nil && !errors.Is(err, bus.ErrNoBus) {
			return fmt.Errorf("room %s: what is said is not kept: %w", r.Name(), err)
		}
	}
	return nil
}

// Company is what a server has that is in the rooms.
func (m *Member) Company(a *app.App) listen.Company {
	return listen.Company{Rooms: m.Rooms, Tell: func(places []string) { m.Tell(a, places) }, Ready: m.Ready}
}

// Close leaves the rooms.
func (m *Member) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(m.Node.Close(ctx), m.link.Close())
}
