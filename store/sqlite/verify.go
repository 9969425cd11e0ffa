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
	if err := db.verifyBodies(ctx, fn); err != nil {
		return fmt.Errorf("store %s: %w", db.path, known(err))
	}
	if err := db.verifyRows(ctx, fn); err != nil {
		return fmt.Errorf("store %s: %w", db.path, known(err))
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
		switch {
		case w.sum() != sum:
			fn(store.Damage{Session: w.session, Seq: w.seq, What: "its checksum is another one"})
		case !whole:
			fn(store.Damage{Session: w.session, Seq: w.seq, What: "its value is missing"})
		case w.session == last.session && w.seq != last.seq+1:
			fn(store.Damage{Session: w.session, Seq: last.seq + 1, What: fmt.Sprintf("missing up to entry %d", w.seq)})
		}
		last = w
	}
	return rows.Err()
}
