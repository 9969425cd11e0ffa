package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/store"
)

// What comes again from a log is kept once, by whichever recorder and in whichever session;
// sessions stay without gaps, and another log of the same name is another one.
//
// Verifies: STORE-11
func TestLogIsKeptOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	db := create(t, path)
	has := make(map[string]uint64)
	take := func(log string, numbers ...uint64) {
		t.Helper()
		r, err := db.Begin(t.Context(), store.Session{Began: time.Now(), Source: "record"})
		if err != nil {
			t.Fatal(err)
		}
		if last, err := r.Position(t.Context(), log); err != nil || last != has[log] {
			t.Errorf("it has %s up to %d, %v, want %d", log, last, err, has[log])
		}
		for _, n := range numbers {
			has[log] = max(has[log], n)
			e := text(0, 1, "s2c", fmt.Sprint(log, n))
			if n > 0 {
				e.Log, e.LogSeq = log, n
			}
			if err := r.Append(e); err != nil {
				t.Fatal(err)
			}
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	take("a", 1, 2, 2, 1, 4)
	take("b", 1)
	take("a", 3, 4, 0, 5, 5, 6) // 3 was left out before 4: it does not come any more
	var got []string
	for _, f := range find(t, db, store.Query{}) {
		got = append(got, fmt.Sprint(f.Session, ":", f.Seq, "=", string(f.Body)))
	}
	if s := strings.Join(got, " "); s != "1:1=a1 1:2=a2 1:3=a4 2:1=b1 3:1=a0 3:2=a5 3:3=a6" {
		t.Error(s)
	}
	damage := func() (all []string) {
		if err := db.Verify(t.Context(), func(d store.Damage) { all = append(all, d.String()) }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if d := damage(); len(d) > 0 {
		t.Error(d)
	}
	raw, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = raw.Exec("UPDATE position SET seq = 4 WHERE log = 'a'")
		raw.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := damage(); len(d) != 1 || !strings.Contains(d[0], "how far a is kept") {
		t.Error(d)
	}
}
