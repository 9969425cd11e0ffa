package sqlite_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/store"
)

// A process that holds the store and does not let go of it is told, with what to do; when
// it has let go all goes on.
//
// Verifies: STORE-08
func TestHeldByAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the ten seconds that are waited")
	}
	path := filepath.Join(t.TempDir(), "lab.db")
	db := create(t, path)
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	holds, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holds.Close()
	if _, err := holds.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	_, err = db.Begin(t.Context(), store.Session{Source: "tap"})
	if !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "another process writes the store for more than 10s: wait for it, or use another file") {
		t.Errorf("%v", err)
	}
	if _, err := holds.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	r := begin(t, db, time.Now())
	if err := r.Append(text(0, 1, "c2s", "now")); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
