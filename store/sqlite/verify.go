package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/parley-net/parley/store"
)

// Verify reads the whole store and calls fn for each place that is not as it was written.
// An error says that the rest can't be read.
func (db *DB) Verify(ctx context.Context, fn func(store.Damage)) error {
	if err := db.integrity(ctx, fn); err != nil {
		return fmt.Errorf("store %s: %w", db.path, known(err))
	}
	for _, part := range []func(context.Context, func(store.Damage)) error{db.verifySessions, db.verifyConns, db.verifyBodies, db.verifyRows, db.verifyPositions} {
		if err := part(ctx, fn); err != nil {
			return fmt.Errorf("store %s: %w", db.path, known(err))
		}
	}
	return nil
}

// integrity is SQLite's own look at pages and indexes.
func (db *DB) integrity(ctx context.Context, fn func(store.Damage)) error {
	rows, err := db.sql.QueryContext(ctx, "PRAGMA integrity_check(20)")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			return err
		}
		if what != "ok" {
			fn(store.Damage{What: what})
		}
	}
	return rows.Err()
}

func (db *DB) verifySessions(ctx context.Context, fn func(store.Damage)) error {
	rows, err := db.sql.QueryContext(ctx, "SELECT id, began, coalesce(ended, 0), source, url, sum FROM session ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, sum int64
		var w sessionRow
		if err := rows.Scan(&id, &w.began, &w.ended, &w.source, &w.url, &sum); err != nil {
			return err
		}
		if w.sum() != sum {
			fn(store.Damage{Session: id, What: "the session's own checksum is another one"})
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return db.verifyOrphans(ctx, fn)
}

// verifyOrphans looks for entries of sessions that are not there.
func (db *DB) verifyOrphans(ctx context.Context, fn func(store.Damage)) error {
	rows, err := db.sql.QueryContext(ctx, "SELECT DISTINCT session FROM msg WHERE session NOT IN (SELECT id FROM session) ORDER BY session")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		fn(store.Damage{Session: id, What: "it is missing, but has entries"})
	}
	return rows.Err()
}

func (db *DB) verifyConns(ctx context.Context, fn func(store.Damage)) error {
	rows, err := db.sql.QueryContext(ctx, "SELECT session, conn, peer, sum FROM conn ORDER BY session, conn")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var session, conn, sum int64
		var peer string
		if err := rows.Scan(&session, &conn, &peer, &sum); err != nil {
			return err
		}
		if connSum(session, conn, peer) != sum {
			fn(store.Damage{Session: session, What: fmt.Sprintf("the checksum of connection %d's address is another one", conn)})
		}
	}
	return rows.Err()
}

func (db *DB) verifyBodies(ctx context.Context, fn func(store.Damage)) error {
	rows, err := db.sql.QueryContext(ctx, "SELECT sha256, data FROM body")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var sum, data []byte
		if err := rows.Scan(&sum, &data); err != nil {
			return err
		}
		if got := sha256.Sum256(data); !bytes.Equal(got[:], sum) {
			fn(store.Damage{What: fmt.Sprintf("a value of %d bytes has another SHA-256 than %x", len(data), sum)})
		}
	}
	return rows.Err()
}

func (db *DB) verifyRows(ctx context.Context, fn func(store.Damage)) error {
	rows, err := db.sql.QueryContext(ctx, `
		SELECT m.session, m.seq, m.at, m.conn, m.dir, m.event, m.kind, m.form, m.big, m.body, m.meta, m.sum,
			m.big = 0 OR EXISTS (SELECT 1 FROM body WHERE sha256 = m.body)
		FROM msg m ORDER BY m.session, m.seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var last row
	for rows.Next() {
		var w row
		var sum int64
		var whole bool
		if err := rows.Scan(&w.session, &w.seq, &w.at, &w.conn, &w.dir, &w.event, &w.kind, &w.form, &w.big, &w.body, &w.meta, &sum, &whole); err != nil {
			return err
		}
		if w.session != last.session {
			last = row{session: w.session} // whose first entry is 1
		}
		switch {
		case w.sum() != sum:
			fn(store.Damage{Session: w.session, Seq: w.seq, What: "its checksum is another one"})
		case !whole:
			fn(store.Damage{Session: w.session, Seq: w.seq, What: "its value is missing"})
		case w.seq != last.seq+1:
			fn(store.Damage{Session: w.session, Seq: last.seq + 1, What: fmt.Sprintf("missing up to entry %d", w.seq)})
		}
		last = w
	}
	return rows.Err()
}
