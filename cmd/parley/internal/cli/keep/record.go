// Package keep is the room of what is kept in a store: parley record, find, import,
// export and verify, and the Keeper by which tap keeps a session too.
package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/archive"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/metrics"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

func RecordCommand(a *app.App) *cobra.Command {
	var path string
	var count int
	cmd := &cobra.Command{
		Use:   "record {URL | room:NAME} --store DB",
		Short: "Listen to a peer and keep what comes",
		Long: `Connects to URL and keeps every message that comes in a store, as a session of
its own, until Ctrl-C, --count messages, or the peer's end. A connection that is
lost is made again; each is a connection of its own in the session.

room:NAME keeps what is said in a room of other processes, which --join or --bus
reaches; each who speaks there is a connection of the session. From then on the
room's servers keep what is said in a log, until it is in the store: when record
dies, or is started on two machines, the next one goes on where the last one has
ended, and nothing is missing or there twice. When the last one ends with Ctrl-C
or --count nothing more is kept in the log, unless a server has --keep.

--monitor shows by HTTP at /readyz whether what came is kept, and at /metrics how
much.

"parley tap --store" keeps what others say to each other.`,
		Example: `  parley record serpy2://camera:5005 --store lab.db
  parley record room:cam1 --join tls://lab1:7422 --secret-file secret --store lab.db
  parley find lab.db --from -1h`,
		ValidArgsFunction: a.CompleteURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			room, isRoom := "", false
			if len(args) == 1 {
				room, isRoom = strings.CutPrefix(args[0], "room:")
			}
			if isRoom {
				if path == "" || count < 0 || room == "" {
					return fault.Usagef("want room:NAME, --store DB and a --count that is not negative")
				}
				return recordRoom(cmd.Context(), a, room, path, count)
			}
			e, rest, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fault.Usagef("record takes one URL, got %q too", rest[0])
			}
			if path == "" {
				return fault.Usagef("--store is missing: the file to keep it in")
			}
			if count < 0 {
				return fault.Usagef("--count can't be negative")
			}
			return recordFrom(cmd.Context(), a, e, path, count)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&path, "store", "", "keep it in the store `DB`, which is made if there is none")
	f.IntVarP(&count, "count", "n", 0, "end after `N` messages (default never)")
	listen.AddMonitorFlag(a, cmd)
	a.DialFlags(cmd)
	a.JoinFlags(cmd)
	return cmd
}

// Keeper writes the events of connections into a store.
type Keeper struct {
	rec   *sqlite.Recorder
	began time.Time

	mu      sync.Mutex
	err     error
	entries uint64
}

// Keep keeps an entry. The first error is kept too, and nothing is kept after it.
func (k *Keeper) Keep(at time.Time, e *recording.Entry, peer string) { k.keepFrom(at, e, peer, "", 0) }

// keepFrom is keep for an entry that has the number seq in log.
func (k *Keeper) keepFrom(at time.Time, e *recording.Entry, peer, log string, seq uint64) {
	e.At = max(at.Sub(k.began), 0)
	e.B64, e.Pickle = slices.Clone(e.B64), slices.Clone(e.Pickle) // the recorder keeps them for a while
	s, err := archive.ToStore(e, peer)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return
	}
	if err == nil {
		s.Log, s.LogSeq = log, seq
		err = k.rec.Append(s)
	}
	if k.err = err; err == nil {
		k.entries++
	}
}

// close ends the session.
func (k *Keeper) close() error {
	err := k.rec.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	return err
}

// NewKeeper begins a session in the store path.
func NewKeeper(ctx context.Context, path, source, url string) (*Keeper, func() error, error) {
	db, err := sqlite.Create(ctx, path)
	if err != nil {
		return nil, nil, storeFault(err)
	}
	k := &Keeper{began: time.Now()}
	if k.rec, err = db.Begin(ctx, store.Session{Began: k.began, Source: source, URL: url}); err != nil {
		db.Close()
		return nil, nil, err
	}
	return k, func() error { return errors.Join(k.close(), db.Close()) }, nil
}

// recordFrom keeps what comes from e.
func recordFrom(ctx context.Context, a *app.App, e endpoint.Endpoint, path string, count int) (err error) {
	d, err := a.Dialer(e)
	if err != nil {
		return err
	}
	conn, err := a.Dial(ctx, e, d) // an error of the first one is told at once
	if err != nil {
		return err
	}
	k, end, err := NewKeeper(ctx, path, "record", e.String())
	if err != nil {
		conn.Close()
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	stop, err := listen.ShowStore(a, k.Ready, k.Metrics)
	if err != nil {
		conn.Close()
		return err
	}
	defer stop()
	fmt.Fprintf(a.Stderr, "session %d of %s\n", k.rec.Session(), path)
	for n, left := 1, count; ; n++ {
		kept, err := recordConn(ctx, a, k, e, conn, n, left)
		conn.Close()
		if left -= kept; count > 0 && left <= 0 || ctx.Err() != nil {
			return k.Failed()
		}
		if err != nil {
			return err
		}
		if conn, err = dialAgain(ctx, a, e, d); err != nil {
			return k.Failed()
		}
	}
}

// fail notes an error, after which nothing is kept.
func (k *Keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = err
	}
}

func (k *Keeper) Failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Ready returns an error if what has come is not kept.
func (k *Keeper) Ready() error {
	if err := k.Failed(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := k.rec.Flush(ctx); errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the store is slow: what came more than a second ago is not kept yet")
	} else if err != nil {
		return err
	}
	return nil
}

// Metrics tells how much was kept.
func (k *Keeper) Metrics(w *metrics.Writer) {
	k.mu.Lock()
	n, failed := k.entries, 0
	if k.err != nil {
		failed = 1
	}
	k.mu.Unlock()
	w.One("parley_store_entries_total", "counter", "Entries that the store has taken.", n)
	w.One("parley_store_failed", "gauge", "Whether the store takes no more.", failed)
}

// recordConn keeps the messages of one connection until its end, at most left if that is
// above zero. Its error is the store's.
func recordConn(ctx context.Context, a *app.App, k *Keeper, e endpoint.Endpoint, c *parley.Conn, n, left int) (kept int, err error) {
	peer := c.RemoteAddr().String()
	k.Keep(time.Now(), &recording.Entry{Conn: n, Event: recording.Open, Proto: e.Protocol.Name()}, peer)
	for left == 0 || kept < left {
		m, err := c.Receive(ctx)
		if ctx.Err() != nil {
			return kept, k.Failed()
		}
		entry := &recording.Entry{Conn: n, Dir: recording.ToClient}
		var lost *parley.MessageError
		switch {
		case err == nil:
			entry.Value = recording.Recorded(m)
			kept++
		case errors.As(err, &lost):
			entry.Event, entry.Error = recording.Lost, err.Error()
		default:
			entry.Event = recording.End
			if !errors.Is(err, parley.ErrPeerClosed) {
				entry.Event = recording.Reset
				a.Log.Warn("the connection is lost", "url", e, "reason", err)
			}
			k.Keep(time.Now(), entry, peer)
			return kept, k.Failed()
		}
		k.Keep(time.Now(), entry, peer)
		if err := k.Failed(); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// dialAgain dials until it works or ctx ends.
func dialAgain(ctx context.Context, a *app.App, e endpoint.Endpoint, d *parley.Dialer) (*parley.Conn, error) {
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 30*time.Second) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		c, err := a.Dial(ctx, e, d)
		if err == nil {
			return c, nil
		}
		a.Log.Warn("not connected, trying again", "url", e, "reason", fault.Bare(err))
	}
}
