package sqlite

import (
	"context"
	"fmt"
	"time"
)

// Retain removes what is older than age, and then the oldest sessions that have ended
// until the values and their rows take at most size bytes; zero means no bound. It returns how many
// entries it has removed. The file keeps its size, and uses the room again.
func (db *DB) Retain(ctx context.Context, age time.Duration, size int64) (removed int64, err error) {
	wrap := func(err error) error {
		if err != nil {
			err = fmt.Errorf("store %s: %w", db.path, known(err))
		}
		return err
	}
	if age > 0 {
		// Whole sessions, so that what is left of one can be replayed.
		removed, err = db.remove(ctx, "ended IS NOT NULL AND ended < ?", time.Now().Add(-age).UnixNano())
		if err != nil {
			return removed, wrap(err)
		}
	}
	for size > 0 {
		var used, pages, free int64
		if err := db.sql.QueryRowContext(ctx, "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &used); err != nil {
			return removed, wrap(err)
		}
		if err := db.sql.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
			return removed, wrap(err)
		}
		if (pages-free)*used <= size {
			break
		}
		n, err := db.remove(ctx, "id = (SELECT min(id) FROM session WHERE ended IS NOT NULL)")
		removed += n
		if err != nil || n == 0 {
			return removed, wrap(err)
		}
	}
	return removed, nil
}

// remove removes the sessions that where chooses.
func (db *DB) remove(ctx context.Context, where string, args ...any) (int64, error) {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	res, err := tx.ExecContext(ctx, "DELETE FROM msg WHERE session IN (SELECT id FROM session WHERE "+where+")", args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, err
	}
	for _, text := range []string{
		"DELETE FROM conn WHERE session IN (SELECT id FROM session WHERE " + where + ")",
		"DELETE FROM session WHERE " + where,
	} {
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return 0, err
		}
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM body WHERE sha256 NOT IN (SELECT body FROM msg WHERE big = 1)"); err != nil {
		return 0, err
	}
	return n, tx.Commit()
}
