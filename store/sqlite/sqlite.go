// Package sqlite keeps sessions in a SQLite file.
//
// The file has a row for each entry, with a checksum of its own; values above 64 KiB are
// kept once, by their SHA-256. Rows are committed together, 100 at a time or after 10 ms,
// in SQLite's write-ahead log with synchronous=FULL. Several processes may read while one or
// several write; each writes a session of its own.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/parley-net/parley/store"
)

// version is the schema's, in PRAGMA user_version.
const version = 1

// schema makes an empty store. In msg, at is nanoseconds since 1970, and body a value, or
// its SHA-256 where big is 1. sum is the checksum of the row.
const schema = `
CREATE TABLE session (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	began  INTEGER NOT NULL,
	ended  INTEGER,
	source TEXT NOT NULL,
	url    TEXT NOT NULL,
	sum    INTEGER NOT NULL
);
CREATE TABLE conn (
	session INTEGER NOT NULL REFERENCES session(id),
	conn    INTEGER NOT NULL,
	peer    TEXT NOT NULL,
	sum     INTEGER NOT NULL,
	PRIMARY KEY (session, conn)
) WITHOUT ROWID;
CREATE INDEX conn_peer ON conn (peer);
CREATE TABLE msg (
	id      INTEGER PRIMARY KEY,
	session INTEGER NOT NULL REFERENCES session(id),
	seq     INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	conn    INTEGER NOT NULL,
	dir     TEXT NOT NULL,
	event   TEXT NOT NULL,
	kind    TEXT NOT NULL,
	form    INTEGER NOT NULL,
	big     INTEGER NOT NULL,
	body    BLOB,
	meta    BLOB,
	sum     INTEGER NOT NULL
);
CREATE UNIQUE INDEX msg_session ON msg (session, seq);
CREATE INDEX msg_at ON msg (at);
CREATE TABLE body (
	sha256 BLOB PRIMARY KEY,
	data   BLOB NOT NULL
) WITHOUT ROWID;
PRAGMA application_id = 0x7061726c;
PRAGMA user_version = 1;
`

// applicationID is "parl".
const applicationID = 0x7061726c

// DB is a store. Its methods may be called concurrently.
type DB struct {
	path string
	sql  *sql.DB
}

// Close closes the store. Recorders are to be closed before.
func (db *DB) Close() error { return db.sql.Close() }

// Path is the file's name as it was given.
func (db *DB) Path() string { return db.path }

// Sessions returns all sessions, the first one first.
func (db *DB) Sessions(ctx context.Context) ([]store.Session, error) {
	return db.sessions(ctx, "")
}

// Session returns the session of this number, or ErrNoSession.
func (db *DB) Session(ctx context.Context, id int64) (store.Session, error) {
	all, err := db.sessions(ctx, "WHERE s.id = ?", id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%w: %d in %s", store.ErrNoSession, id, db.path)
	}
	if err != nil {
		return store.Session{}, err
	}
	return all[0], nil
}

func (db *DB) sessions(ctx context.Context, where string, args ...any) ([]store.Session, error) {
	rows, err := db.sql.QueryContext(ctx, `
		SELECT s.id, s.began, s.ended, s.source, s.url,
			(SELECT count(*) FROM msg m WHERE m.session = s.id),
			(SELECT coalesce(sum(CASE big WHEN 1 THEN (SELECT length(data) FROM body WHERE sha256 = m.body) ELSE length(m.body) END), 0)
				FROM msg m WHERE m.session = s.id)
		FROM session s `+where+` ORDER BY s.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", db.path, known(err))
	}
	defer rows.Close()
	var all []store.Session
	for rows.Next() {
		var s store.Session
		var began int64
		var ended sql.NullInt64
		if err := rows.Scan(&s.ID, &began, &ended, &s.Source, &s.URL, &s.Entries, &s.Bytes); err != nil {
			return nil, fmt.Errorf("store %s: %w", db.path, known(err))
		}
		s.Began = time.Unix(0, began)
		if ended.Valid {
			s.Ended = time.Unix(0, ended.Int64)
		}
		all = append(all, s)
	}
	return all, known(rows.Err())
}

// Find calls fn for each entry that q chooses, in the order in which they were recorded,
// until fn returns an error, which Find returns.
func (db *DB) Find(ctx context.Context, q store.Query, fn func(store.Found) error) error {
	var where []string
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	if q.Session != 0 {
		add("m.session = ?", q.Session)
	}
	if !q.From.IsZero() {
		add("m.at >= ?", bound(q.From))
	}
	if !q.To.IsZero() {
		add("m.at <= ?", bound(q.To))
	}
	if q.Peer != "" {
		host := escapeLike(strings.Trim(q.Peer, "[]")) // an IPv6 host stands in brackets in front of its port
		add(`(c.peer = ? OR c.peer LIKE ? ESCAPE '\' OR c.peer LIKE ? ESCAPE '\')`, q.Peer, host+":%", "["+host+"]:%")
	}
	if q.Text != "" {
		add("instr(CASE m.big WHEN 1 THEN (SELECT data FROM body WHERE sha256 = m.body) ELSE m.body END, CAST(? AS BLOB)) > 0", q.Text)
	}
	text := selectEntries
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	text += " ORDER BY " + order(q)
	if q.Limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", q.Limit)
	}
	return db.each(ctx, text, args, fn)
}

// order is one that an index gives, so that the first entries are there at once.
func order(q store.Query) string {
	switch {
	case q.Session != 0:
		return "m.session, m.seq"
	case !q.From.IsZero() || !q.To.IsZero():
		return "m.at, m.id"
	}
	return "m.id"
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

const selectEntries = `
	SELECT m.session, m.seq, m.at, s.began, m.conn, coalesce(c.peer, ''), m.dir, m.event, m.kind, m.form,
		CASE m.big WHEN 1 THEN (SELECT data FROM body WHERE sha256 = m.body) ELSE m.body END, m.meta
	FROM msg m JOIN session s ON s.id = m.session LEFT JOIN conn c ON c.session = m.session AND c.conn = m.conn`

func (db *DB) each(ctx context.Context, text string, args []any, fn func(store.Found) error) error {
	rows, err := db.sql.QueryContext(ctx, text, args...)
	if err != nil {
		return fmt.Errorf("store %s: %w", db.path, known(err))
	}
	defer rows.Close()
	for rows.Next() {
		var f store.Found
		var at, began int64
		if err := rows.Scan(&f.Session, &f.Seq, &at, &began, &f.Conn, &f.Peer, &f.Dir, &f.Event, &f.Kind, &f.Form, &f.Body, &f.Meta); err != nil {
			return fmt.Errorf("store %s: %w", db.path, known(err))
		}
		if f.Body == nil && f.Form != store.FormNone {
			f.Body = []byte{} // an empty value is one
		}
		f.Time, f.At = time.Unix(0, at), time.Duration(at-began)
		if err := fn(f); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store %s: %w", db.path, known(err))
	}
	return nil
}
