package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

func create(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func begin(t testing.TB, db *sqlite.DB, began time.Time) *sqlite.Recorder {
	t.Helper()
	r, err := db.Begin(t.Context(), store.Session{Began: began, Source: "tap", URL: "oneline://bench:5025"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func find(t testing.TB, db *sqlite.DB, q store.Query) []store.Found {
	t.Helper()
	var all []store.Found
	if err := db.Find(t.Context(), q, func(f store.Found) error {
		all = append(all, f)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// text returns a message's entry.
func text(at time.Duration, conn int64, dir, s string) store.Entry {
	return store.Entry{At: at, Conn: conn, Peer: fmt.Sprintf("192.0.2.%d:50%02d", conn, conn), Dir: dir, Kind: "text", Form: store.FormText, Body: []byte(s)}
}

// What is recorded is found as it was, whatever its size, and in its order.
//
// Verifies: STORE-01
func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name? %41#.db")
	db := create(t, path)
	began := time.Unix(1_700_000_000, 123_456_789)
	r := begin(t, db, began)
	var want []store.Entry
	for i, n := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 5 << 20, 64<<10 + 1} {
		body := bytes.Repeat([]byte{byte(n), 0, 255}, n/3+1)[:n]
		want = append(want, store.Entry{Seq: int64(i + 1), At: time.Duration(i) * time.Millisecond, Conn: 1, Peer: "[::1]:5025", Dir: "c2s",
			Kind: "bytes", Form: store.FormBytes, Body: body, Meta: []byte(`{"mode":2}`)})
	}
	want = append(want,
		store.Entry{Seq: 8, At: time.Second, Conn: 2, Event: "open"},
		store.Entry{Seq: 9, At: time.Second, Conn: 2, Dir: "s2c", Kind: "object", Form: store.FormJSON, Body: []byte(`[1]`)})
	for _, e := range want {
		e.Seq = 0
		if err := r.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	all := find(t, db, store.Query{})
	if len(all) != len(want) {
		t.Fatalf("%d entries, want %d", len(all), len(want))
	}
	for i, f := range all {
		if f.Session != 1 || !f.Time.Equal(began.Add(f.At)) || !reflect.DeepEqual(f.Entry, want[i]) {
			t.Errorf("entry %d: %+.100v", i+1, f)
		}
	}
	s, err := db.Session(t.Context(), 1)
	if err != nil || s.Entries != 9 || s.Bytes != 0+1+100+3*(64<<10)+2+5<<20+3 || !s.Began.Equal(began) || s.Ended.IsZero() || s.Source != "tap" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := db.Session(t.Context(), 2); !errors.Is(err, store.ErrNoSession) {
		t.Error(err)
	}
	if err := db.Verify(t.Context(), func(d store.Damage) { t.Error(d) }); err != nil {
		t.Error(err)
	}
	for _, end := range []string{"", "-wal"} {
		if info, err := os.Stat(path + end); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", end, info.Mode(), err)
		}
	}
}

// Verifies: STORE-02
func TestFind(t *testing.T) {
	db := create(t, filepath.Join(t.TempDir(), "lab.db"))
	began := time.Now().Add(-time.Hour)
	r := begin(t, db, began)
	for i, s := range []string{"*IDN?", "MEAS:VOLT?", "100%", "a_b", "größe", "meas", strings.Repeat("x", 70_000) + "needle"} {
		if err := r.Append(text(time.Duration(i)*10*time.Minute, int64(i%2+1), "c2s", s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := begin(t, db, began)
	if err := other.Append(text(0, 3, "s2c", "MEAS")); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q    store.Query
		want string // session.seq of each
	}{
		{store.Query{}, "1.1 1.2 1.3 1.4 1.5 1.6 1.7 2.1"},
		{store.Query{Text: "MEAS"}, "1.2 2.1"},
		{store.Query{Text: "%"}, "1.3"}, {store.Query{Text: "_"}, "1.4"}, {store.Query{Text: "?"}, "1.1 1.2"}, {store.Query{Text: "öß"}, "1.5"},
		{store.Query{Text: "needle"}, "1.7"}, {store.Query{Text: "nothing"}, ""}, {store.Query{Text: "*"}, "1.1"},
		{store.Query{Session: 2}, "2.1"}, {store.Query{Session: 3}, ""},
		{store.Query{Peer: "192.0.2.1"}, "1.1 1.3 1.5 1.7"}, {store.Query{Peer: "192.0.2.1:5001"}, "1.1 1.3 1.5 1.7"}, {store.Query{Peer: "192.0.2"}, ""}, {store.Query{Peer: "192.0.2.%"}, ""},
		{store.Query{From: began.Add(15 * time.Minute), To: began.Add(30 * time.Minute)}, "1.3 1.4"},
		{store.Query{From: began.Add(45 * time.Minute), Text: "x"}, "1.7"},
		{store.Query{Limit: 2}, "1.1 1.2"},
	} {
		var got []string
		for _, f := range find(t, db, c.q) {
			got = append(got, fmt.Sprintf("%d.%d", f.Session, f.Seq))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%+v: got %q, want %q", c.q, s, c.want)
		}
	}
	stop := errors.New("stop")
	if err := db.Find(t.Context(), store.Query{}, func(store.Found) error { return stop }); err != stop {
		t.Error(err)
	}
}

// Many append at once; each one's entries are in its order and all are there.
//
// Verifies: STORE-03
func TestConcurrentAppends(t *testing.T) {
	db := create(t, filepath.Join(t.TempDir(), "lab.db"))
	r := begin(t, db, time.Now())
	var all sync.WaitGroup
	for conn := range int64(8) {
		all.Go(func() {
			for i := range 500 {
				if err := r.Append(text(0, conn+1, "c2s", fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
				if rand.IntN(100) == 0 {
					if err := r.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	next := make(map[int64]int)
	for i, f := range find(t, db, store.Query{}) {
		if f.Seq != int64(i+1) || string(f.Body) != fmt.Sprint(next[f.Conn]) {
			t.Fatalf("entry %d of connection %d: %s", f.Seq, f.Conn, f.Body)
		}
		next[f.Conn]++
	}
	if len(next) != 8 || next[1] != 500 {
		t.Errorf("%v", next)
	}
	if err := r.Append(store.Entry{}); err == nil {
		t.Error("Append after Close")
	}
}

// Two recorders, and two processes' connections, write one file.
//
// Verifies: STORE-03
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	a, b := create(t, path), create(t, path)
	first, second := begin(t, a, time.Now()), begin(t, b, time.Now())
	var all sync.WaitGroup
	for _, r := range []*sqlite.Recorder{first, second} {
		all.Go(func() {
			for i := range 1000 {
				if err := r.Append(text(0, 1, "c2s", fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if all := find(t, a, store.Query{}); len(all) != 2000 {
		t.Errorf("%d entries", len(all))
	}
	if err := b.Verify(t.Context(), func(d store.Damage) { t.Error(d) }); err != nil {
		t.Error(err)
	}
}

// The end of a full disk, or of a quota: what was flushed is kept, and the recorder says so.
//
// Verifies: STORE-07
func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	db := create(t, path)
	if err := sqlite.Limit(db, 60); err != nil {
		t.Fatal(err)
	}
	r := begin(t, db, time.Now())
	kept := 0
	var err error
	for err == nil && kept < 10_000 {
		if err = r.Append(text(0, 1, "c2s", strings.Repeat("x", 1000))); err == nil {
			if err = r.Flush(context.Background()); err == nil {
				kept++
			}
		}
	}
	if !errors.Is(err, store.ErrFull) || kept == 0 {
		t.Fatalf("%v after %d", err, kept)
	}
	if err := r.Append(store.Entry{}); !errors.Is(err, store.ErrFull) {
		t.Error("Append goes on: ", err)
	}
	if err := r.Close(); !errors.Is(err, store.ErrFull) {
		t.Error("Close: ", err)
	}
	if n := len(find(t, db, store.Query{})); n != kept {
		t.Errorf("%d entries are there, %d were kept", n, kept)
	}
}

// Verifies: STORE-06
func TestVerify(t *testing.T) {
	for _, c := range []struct{ damage, want string }{
		{"UPDATE msg SET body = CAST('another' AS BLOB) WHERE seq = 3", "session 1, entry 3: its checksum"},
		{"UPDATE msg SET at = at + 1 WHERE seq = 2", "session 1, entry 2: its checksum"},
		{"UPDATE msg SET dir = 's2c' WHERE seq = 2", "session 1, entry 2: its checksum"},
		{"DELETE FROM msg WHERE seq = 4", "session 1, entry 4: missing"},
		{"DELETE FROM body", "session 1, entry 6: its value is missing"},
		{"UPDATE body SET data = CAST('x' AS BLOB)", "has another SHA-256"},
		{"DELETE FROM msg WHERE seq = 1", "session 1, entry 1: missing"},
		{"UPDATE session SET began = began + 1", "session 1: the session's own checksum"},
		{"UPDATE session SET ended = ended + 1", "session 1: the session's own checksum"},
		{"UPDATE session SET url = 'scpi://another'", "session 1: the session's own checksum"},
		{"UPDATE conn SET peer = 'lab9'", "session 1: the checksum of connection 1's address"},
		{"PRAGMA foreign_keys = OFF; DELETE FROM session", "session 1: it is missing, but has entries"},
	} {
		path := filepath.Join(t.TempDir(), "lab.db")
		db := create(t, path)
		r := begin(t, db, time.Now())
		for i := range 5 {
			e := text(0, 1, "c2s", fmt.Sprint(i))
			e.Peer = "lab1"
			r.Append(e)
		}
		r.Append(text(0, 1, "c2s", strings.Repeat("x", 100_000)))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		makeForeign(t, path, c.damage)
		var got []string
		if err := db.Verify(t.Context(), func(d store.Damage) { got = append(got, d.String()) }); err != nil {
			t.Error(err)
		}
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%s: told %q", c.damage, got)
		}
	}
}

// Verifies: STORE-09
func TestRetain(t *testing.T) {
	db := create(t, filepath.Join(t.TempDir(), "lab.db"))
	for range 10 {
		r := begin(t, db, time.Now())
		for i := range 20 {
			r.Append(text(0, 1, "c2s", strings.Repeat(fmt.Sprint(i), 10_000)))
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open := begin(t, db, time.Now())
	open.Append(text(0, 1, "c2s", "goes on"))
	if err := open.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Retain(t.Context(), time.Hour, 0); n != 0 || err != nil {
		t.Errorf("nothing is so old: %d, %v", n, err)
	}
	if n, err := db.Retain(t.Context(), 0, 2<<20); n == 0 || n > 180 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	all, err := db.Sessions(t.Context())
	if err != nil || len(all) < 3 || len(all) > 9 || all[len(all)-1].ID != 11 {
		t.Errorf("%d sessions are left, %v", len(all), err)
	}
	if n, err := db.Retain(t.Context(), time.Nanosecond, 0); n == 0 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if all, _ := db.Sessions(t.Context()); len(all) != 1 || all[0].ID != 11 {
		t.Errorf("left %+v", all)
	}
	if err := db.Verify(t.Context(), func(d store.Damage) { t.Error(d) }); err != nil {
		t.Error(err)
	}
}
