package keep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/recording"
)

// roomKeeper keeps what is said in a room.
type roomKeeper struct {
	*Keeper
	room  string
	conns map[string]int    // who speaks is a connection of the session
	have  map[string]uint64 // by log, up to where the store had it when this one met it
	left  int               // messages to come; 0: no bound
	end   context.CancelFunc
}

// recordRoom keeps what is said in a room, until ctx ends or there were count messages. The
// room's nodes keep it in a log until it is in the store, so that nothing is missing when this
// process dies, and another one goes on.
func recordRoom(ctx context.Context, a *app.App, name, path string, count int) (err error) {
	if !a.Bus.Any() {
		return fault.Usagef("room:%s is a room of other processes: say how to reach them, with --join or --bus", name)
	}
	m, err := join.Enter(ctx, a, []string{name}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	k, end, err := NewKeeper(ctx, path, "record", "room:"+name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	stop, err := listen.ShowStore(a, k.Ready, k.Metrics)
	if err != nil {
		return err
	}
	defer stop()
	look, cancel := context.WithTimeout(ctx, time.Second)
	if node, err := m.Rooms[0].Taker(look); err == nil && node != "" {
		fmt.Fprintf(a.Stderr, "node %s records the room already: this one goes on where that one ends\n", terminal.Visible(node))
	}
	cancel()
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	r := &roomKeeper{Keeper: k, room: "room:" + name, conns: make(map[string]int), have: make(map[string]uint64), left: count, end: cancel}
	taken := make(chan error, 1)
	go func() { taken <- m.Rooms[0].Take(ctx, r.take) }()
	tellKept(ctx, a, m.Rooms[0])
	fmt.Fprintf(a.Stderr, "session %d of %s\n", k.rec.Session(), path)
	m.Tell(a, nil)
	if err := <-taken; ctx.Err() == nil {
		return err
	}
	return k.Failed()
}

// tellKept waits until all nodes of a room keep what is said, and names those who don't.
func tellKept(ctx context.Context, a *app.App, r *cluster.Room) {
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if nodes := r.Unkept(wait); len(nodes) > 0 && ctx.Err() == nil {
		a.Log.Warn("these nodes do not keep what is said there until it is in the store", "room", r.Name(), "nodes", terminal.Visible(strings.Join(nodes, " ")))
	}
}

// take keeps entries of the room's log, and returns how many are safe.
func (r *roomKeeper) take(all []cluster.Kept) (kept int) {
	if err := r.begin(all[0].At); err != nil {
		r.fail(err)
	}
	ended := false
	for ; kept < len(all) && !ended; kept++ {
		if !r.entry(&all[kept]) {
			continue
		}
		if all[kept].Err == nil && r.left > 0 {
			r.left--
			ended = r.left == 0
		}
	}
	if err := r.rec.Flush(context.Background()); err != nil {
		r.fail(err)
	}
	if r.Failed() != nil {
		kept, ended = 0, true
	}
	if ended {
		r.end()
	}
	return kept
}

// begin has the session begin with its first entry, which may have waited in the log.
func (r *roomKeeper) begin(first time.Time) error {
	if len(r.conns) > 0 || !first.Before(r.began) {
		return nil
	}
	if err := r.rec.Since(context.Background(), first); err != nil {
		return err
	}
	r.began = first
	return nil
}

// entry keeps one, unless the store has it.
func (r *roomKeeper) entry(k *cluster.Kept) (fresh bool) {
	log := ""
	if k.Process != "" {
		log = r.room + " " + k.Process
	}
	if have, err := r.upTo(log); err != nil {
		r.fail(err)
		return false
	} else if k.Seq > 0 && k.Seq <= have {
		return false
	}
	from := k.Node
	if k.Conn != "" {
		from += "/" + k.Conn
	}
	conn := r.conns[from]
	if conn == 0 {
		conn = len(r.conns) + 1
		r.conns[from] = conn
	}
	e := recording.Entry{Conn: conn, Dir: recording.ToClient}
	if k.Err != nil {
		e.Event, e.Error = recording.Lost, k.Err.Error()
	} else {
		e.Value = recording.Recorded(k.Message)
	}
	if k.Again {
		e.Note = fmt.Sprintf("may be in the store of a recorder before this one too: number %d of %s, process %s", k.Seq, k.Node, k.Process)
	}
	r.keepFrom(k.At, &e, from, log, k.Seq)
	return true
}

// upTo returns up to where the store had a log.
func (r *roomKeeper) upTo(log string) (seq uint64, err error) {
	seq, known := r.have[log]
	if log == "" || known {
		return seq, nil
	}
	seq, err = r.rec.Position(context.Background(), log)
	r.have[log] = seq
	return seq, err
}
