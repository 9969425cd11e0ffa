package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/parley-net/parley/store"
)

// positionTable says up to where the store has which log. A store gets the table with its
// first entry of a log; those who know no logs do not look at it.
const positionTable = `
CREATE TABLE IF NOT EXISTS position (
	log TEXT PRIMARY KEY,
	seq INTEGER NOT NULL,
	sum INTEGER NOT NULL
) WITHOUT ROWID`

func positionSum(log string, seq uint64) int64 { return int64(checksum([]int64{int64(seq)}, log)) }

// positions are up to where the store has logs, within one transaction: another recorder may
// have written before it.
type positions map[string]uint64

// pass notes an entry, and reports whether the store has it already.
func (p positions) pass(tx *sql.Tx, e *store.Entry) (have bool, err error) {
	if e.Log == "" {
		return false, nil
	}
	last, known := p[e.Log]
	if !known {
		if _, err := tx.Exec(positionTable); err != nil {
			return false, err
		}
		err := tx.QueryRow("SELECT seq FROM position WHERE log = ?", e.Log).Scan(&last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return false, err
		}
	}
	p[e.Log] = max(last, e.LogSeq)
	return e.LogSeq <= last, nil
}

// write keeps them.
func (p positions) write(tx *sql.Tx) error {
	for log, seq := range p {
		if _, err := tx.Exec("INSERT INTO position (log, seq, sum) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, sum = excluded.sum",
			log, int64(seq), positionSum(log, seq)); err != nil {
			return err
		}
	}
	return nil
}

// Position returns the number up to which the store has a log; 0 if it has nothing of it.
func (r *Recorder) Position(ctx context.Context, log string) (seq uint64, err error) {
	there, err := r.db.hasPositions(ctx)
	if err == nil && there {
		err = r.db.sql.QueryRowContext(ctx, "SELECT seq FROM position WHERE log = ?", log).Scan(&seq)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("store %s: %w", r.db.path, known(err))
	}
	return seq, nil
}

// hasPositions reports whether the store has had a recorder of a log.
func (db *DB) hasPositions(ctx context.Context) (bool, error) {
	var there int
	err := db.sql.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'position'").Scan(&there)
	return there > 0, err
}

// verifyPositions looks whether what says which entries are there is as it was written.
func (db *DB) verifyPositions(ctx context.Context, fn func(store.Damage)) error {
	if there, err := db.hasPositions(ctx); err != nil || !there {
		return err
	}
	rows, err := db.sql.QueryContext(ctx, "SELECT log, seq, sum FROM position ORDER BY log")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var log string
		var seq uint64
		var sum int64
		if err := rows.Scan(&log, &seq, &sum); err != nil {
			return err
		}
		if positionSum(log, seq) != sum {
			fn(store.Damage{What: fmt.Sprintf("the checksum of how far %s is kept is another one", log)})
		}
	}
	return rows.Err()
}
