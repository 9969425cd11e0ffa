package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/store"
)

const (
	bigBody     = 64 << 10              // a larger value is kept once, by its SHA-256
	commitRows  = 100                   // rows are committed so many at a time,
	commitAfter = 10 * time.Millisecond // or when the first one is so old
	maxWaiting  = 16 << 20              // bytes that are not yet kept
)

// Recorder writes one session.
type Recorder struct {
	db    *DB
	id    int64
	row   sessionRow
	began time.Time
	wake  chan struct{} // something waits
	ended chan struct{} // the writing goroutine has ended

	mu      sync.Mutex
	room    sync.Cond // bytes or rows have been kept, or err was set
	waiting []store.Entry
	bytes   int
	seq     int64 // of the last entry that was appended
	kept    int64 // of the last one that was committed
	flush   bool  // somebody waits for it
	closing bool
	err     error
	peers   map[int64]string // by connection, as far as written
	rows    int64            // that the session has; changed by the goroutine that commits
}

// Begin begins a session that began at s.Began, or now. Its ID, Ended and counts are
// the store's to say.
func (db *DB) Begin(ctx context.Context, s store.Session) (*Recorder, error) {
	if s.Began.IsZero() {
		s.Began = time.Now()
	}
	at, err := nanoseconds(s.Began)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", db.path, err)
	}
	row := sessionRow{began: at, source: s.Source, url: s.URL}
	res, err := db.sql.ExecContext(ctx, "INSERT INTO session (began, source, url, sum) VALUES (?, ?, ?, ?)", row.began, row.source, row.url, row.sum())
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", db.path, known(err))
	}
	id, err := res.LastInsertId()
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", db.path, err)
	}
	r := &Recorder{db: db, id: id, row: row, began: s.Began, wake: make(chan struct{}, 1), ended: make(chan struct{}), peers: make(map[int64]string)}
	r.room.L = &r.mu
	go r.run()
	return r, nil
}

// Since moves the session's beginning to an earlier time: its first entry is older than it.
// To be called before Append.
func (r *Recorder) Since(ctx context.Context, began time.Time) error {
	if !began.Before(r.began) {
		return nil
	}
	at, err := nanoseconds(began)
	if err != nil {
		return fmt.Errorf("store %s: %w", r.db.path, err)
	}
	row := r.row
	row.began = at
	if _, err := r.db.sql.ExecContext(ctx, "UPDATE session SET began = ?, sum = ? WHERE id = ?", row.began, row.sum(), r.id); err != nil {
		return fmt.Errorf("store %s: %w", r.db.path, known(err))
	}
	r.row, r.began = row, began
	return nil
}

// Session is the session's number.
func (r *Recorder) Session() int64 { return r.id }

var errClosed = errors.New("the recorder was closed")

// Append is store.Recorder's.
func (r *Recorder) Append(e store.Entry) error {
	size := len(e.Body) + len(e.Meta)
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && !r.closing && len(r.waiting) > 0 && r.bytes+size > maxWaiting {
		r.room.Wait()
	}
	switch {
	case r.err != nil:
		return r.err
	case r.closing:
		return errClosed
	}
	r.seq++
	r.waiting = append(r.waiting, e)
	r.bytes += size
	if len(r.waiting) == 1 || len(r.waiting) >= commitRows || r.bytes > maxWaiting/2 {
		r.signal()
	}
	return nil
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Flush is store.Recorder's.
func (r *Recorder) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.room.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	upTo := r.seq
	for r.err == nil && r.kept < upTo {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.flush = true
		r.signal()
		r.room.Wait()
	}
	return r.err
}

// Close is store.Recorder's.
func (r *Recorder) Close() error {
	r.mu.Lock()
	again := r.closing
	r.closing = true
	r.mu.Unlock()
	r.signal()
	<-r.ended
	if again {
		return nil
	}
	if r.err != nil {
		return r.err
	}
	r.row.ended = time.Now().UnixNano()
	if _, err := r.db.sql.Exec("UPDATE session SET ended = ?, sum = ? WHERE id = ?", r.row.ended, r.row.sum(), r.id); err != nil {
		return fmt.Errorf("store %s: %w", r.db.path, known(err))
	}
	return nil
}

// run commits what waits until the end, or an error.
func (r *Recorder) run() {
	defer close(r.ended)
	for {
		<-r.wake
		r.collect()
		batch, last := r.take()
		if len(batch) > 0 {
			if err := r.commit(batch); err != nil {
				r.fail(fmt.Errorf("store %s: session %d is kept up to entry %d: %w", r.db.path, r.id, r.rows, known(err)))
				return
			}
			r.mu.Lock()
			r.kept += int64(len(batch))
			r.room.Broadcast()
			r.mu.Unlock()
		}
		if last {
			return
		}
	}
}

// collect waits until there are enough rows for a commit, or it is time.
func (r *Recorder) collect() {
	late := time.NewTimer(commitAfter)
	defer late.Stop()
	for {
		r.mu.Lock()
		enough := r.flush || r.closing || len(r.waiting) >= commitRows || r.bytes > maxWaiting/2
		r.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-late.C:
			return
		case <-r.wake:
		}
	}
}

// take takes all that waits. last says that nothing comes after it.
func (r *Recorder) take() (batch []store.Entry, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch, r.waiting, r.bytes, r.flush = r.waiting, nil, 0, false
	r.room.Broadcast()
	return batch, r.closing
}

func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.waiting = nil
	r.room.Broadcast()
}

// commit writes rows in one transaction.
func (r *Recorder) commit(batch []store.Entry) error {
	tx, err := r.db.sql.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.Prepare(`INSERT INTO msg (session, seq, at, conn, dir, event, kind, form, big, body, meta, sum)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	rows, logs := r.rows, make(positions)
	for i := range batch {
		e := &batch[i]
		if have, err := logs.pass(tx, e); err != nil {
			return err
		} else if have {
			continue
		}
		rows++
		e.Seq = rows
		if err := r.write(tx, insert, e); err != nil {
			return err
		}
	}
	if err := logs.write(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	r.rows = rows
	return nil
}

// write writes one row, and what it refers to.
func (r *Recorder) write(tx *sql.Tx, insert *sql.Stmt, e *store.Entry) error {
	if e.Peer != "" && r.peers[e.Conn] != e.Peer {
		const keep = "INSERT INTO conn (session, conn, peer, sum) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET peer = excluded.peer, sum = excluded.sum"
		if _, err := tx.Exec(keep, r.id, e.Conn, e.Peer, connSum(r.id, e.Conn, e.Peer)); err != nil {
			return err
		}
		r.peers[e.Conn] = e.Peer
	}
	body, big := e.Body, 0
	if len(body) > bigBody {
		sum := sha256.Sum256(body)
		if _, err := tx.Exec("INSERT INTO body (sha256, data) VALUES (?, ?) ON CONFLICT DO NOTHING", sum[:], body); err != nil {
			return err
		}
		body, big = sum[:], 1
	}
	if body == nil && e.Form != store.FormNone {
		body = []byte{}
	}
	at, err := nanoseconds(r.began.Add(e.At))
	if err != nil {
		return err
	}
	row := row{r.id, e.Seq, at, e.Conn, e.Dir, e.Event, e.Kind, int64(e.Form), int64(big), body, e.Meta}
	_, err = insert.Exec(row.session, row.seq, row.at, row.conn, row.dir, row.event, row.kind, row.form, row.big, row.body, row.meta, row.sum())
	return err
}
