package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/parley-net/parley/store"
)

// busyTimeout is how long a process waits for another one that writes.
const busyTimeout = 10 * time.Second

// makingTime is how long Open waits for another process that has made the file and not yet
// the tables in it.
const makingTime = time.Second

// Create opens the store in the file path, which it makes, readable by its owner only,
// if there is none.
func Create(ctx context.Context, path string) (*DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	f.Close()
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := db.prepare(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("store %s: %w", path, known(err))
	}
	return db, nil
}

// Open opens the store in the file path. It is ErrNoStore if there is none.
func Open(ctx context.Context, path string) (*DB, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no file %s", store.ErrNoStore, path)
	} else if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	} else if info.IsDir() {
		return nil, fmt.Errorf("%w: %s is a folder", store.ErrNotStore, path)
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	log, _ := os.Stat(path + "-wal")
	if err = db.checkOrWait(ctx); cantWrite(err) {
		db.Close()
		if db, err = openUnchanging(path, log); err != nil {
			return nil, err
		}
		err = db.checkOrWait(ctx)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("store %s: %w%s", path, known(err), cut(path))
	}
	return db, nil
}

// cut says how much of a file is missing, if it is shorter than its first page says.
func cut(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	head := make([]byte, 32)
	if _, readErr := io.ReadFull(f, head); err != nil || readErr != nil || string(head[:15]) != "SQLite format 3" {
		return ""
	}
	size := int64(binary.BigEndian.Uint16(head[16:]))
	if size == 1 { // stands for 65536
		size = 65536
	}
	if want := size * int64(binary.BigEndian.Uint32(head[28:])); info.Size() < want {
		return fmt.Sprintf(": it has %d of %d bytes, the end is missing", info.Size(), want)
	}
	return ""
}

// cantWrite reports whether err says that SQLite can't make the files beside a store by
// which processes know of each other, as in a folder that may only be read.
func cantWrite(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == lib.SQLITE_READONLY || e.Code()&0xff == lib.SQLITE_CANTOPEN)
}

// openUnchanging opens a store that can only be read. What its writer has left in the log
// beside it, if there is one, would be missing.
func openUnchanging(path string, log fs.FileInfo) (*DB, error) {
	if log != nil && log.Size() > 0 {
		return nil, fmt.Errorf("store %s: it can only be read here, and its newest entries are in %s-wal: copy both to a folder that can be written", path, path)
	}
	return open(path, "mode", "ro", "immutable", "1")
}

// checkOrWait is check for a file that another process may be about to make a store.
func (db *DB) checkOrWait(ctx context.Context) error {
	for end := time.Now().Add(makingTime); ; {
		empty, err := db.empty(ctx)
		if err != nil {
			return err
		}
		if !empty || time.Now().After(end) {
			return db.check(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// open opens the file with more options of SQLite, in pairs.
func open(path string, more ...string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"synchronous(FULL)", "foreign_keys(ON)", "cache_size(-16384)",
	}, "_txlock": {"immediate"}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(abs)}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	pool.SetMaxOpenConns(4)
	return &DB{path: path, sql: pool}, nil
}

// prepare makes the tables of an empty file. A file that is something else is left as it
// is: only a store, or what becomes one, gets SQLite's write-ahead log, which stays.
func (db *DB) prepare(ctx context.Context) error {
	if empty, err := db.empty(ctx); err != nil {
		return err
	} else if !empty {
		if err := db.check(ctx); err != nil {
			return err
		}
	}
	if _, err := db.sql.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	empty, err := isEmpty(ctx, tx) // another process may have been quicker
	if err != nil {
		return err
	}
	if empty {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		return tx.Commit()
	}
	tx.Rollback()
	return db.check(ctx)
}

// empty reports whether nothing has ever been put into the file.
func (db *DB) empty(ctx context.Context) (bool, error) { return isEmpty(ctx, db.sql) }

// isEmpty is empty within a transaction, or without.
func isEmpty(ctx context.Context, in interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (bool, error) {
	var tables, user, app int
	for query, to := range map[string]*int{"SELECT count(*) FROM sqlite_schema": &tables, "PRAGMA user_version": &user, "PRAGMA application_id": &app} {
		if err := in.QueryRowContext(ctx, query).Scan(to); err != nil {
			return false, err
		}
	}
	return tables == 0 && user == 0 && app == 0, nil
}

// check returns an error if the file is no store of this version.
func (db *DB) check(ctx context.Context) error {
	var app, user int
	if err := db.sql.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return err
	}
	if err := db.sql.QueryRowContext(ctx, "PRAGMA user_version").Scan(&user); err != nil {
		return err
	}
	switch {
	case app != applicationID:
		return store.ErrNotStore
	case user > version:
		return fmt.Errorf("%w: its schema is %d, this program knows %d: use the program that wrote it", store.ErrNewer, user, version)
	}
	return nil
}

// known returns err as one of the store's own where it means one.
func known(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: free some, then start again: %w", store.ErrFull, err)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("%w for more than %v: wait for it, or use another file: %w", store.ErrBusy, busyTimeout, err)
	case lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", store.ErrNotStore, err)
	}
	return err
}
