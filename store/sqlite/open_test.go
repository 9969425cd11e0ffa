package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// What is no store says what it is, and stays as it is, byte for byte.
//
// Verifies: STORE-05
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	makeForeign(t, foreign, "CREATE TABLE x (y)")
	newer := filepath.Join(dir, "newer.db")
	create(t, newer).Close()
	makeForeign(t, newer, "PRAGMA user_version = 2")
	for _, c := range []struct {
		path         string
		open, create error
	}{
		{filepath.Join(dir, "none.db"), store.ErrNoStore, nil},
		{dir, store.ErrNotStore, errAny},
		{write("text.db", []byte(strings.Repeat("no database, ", 100))), store.ErrNotStore, store.ErrNotStore},
		{write("empty.db", nil), store.ErrNotStore, nil},
		{foreign, store.ErrNotStore, store.ErrNotStore},
		{newer, store.ErrNewer, store.ErrNewer},
	} {
		was, _ := os.ReadFile(c.path)
		if _, err := sqlite.Open(t.Context(), c.path); !errors.Is(err, c.open) || !strings.Contains(err.Error(), filepath.Base(c.path)) {
			t.Errorf("Open %s: %v, want %v", filepath.Base(c.path), err, c.open)
		}
		if is, _ := os.ReadFile(c.path); !bytes.Equal(is, was) {
			t.Errorf("Open has changed %s", filepath.Base(c.path))
		}
		db, err := sqlite.Create(t.Context(), c.path)
		if is, _ := os.ReadFile(c.path); err != nil && !bytes.Equal(is, was) {
			t.Errorf("Create has changed %s", filepath.Base(c.path))
		}
		if err == nil {
			db.Close()
		}
		if (err == nil) != (c.create == nil) || c.create != errAny && !errors.Is(err, c.create) {
			t.Errorf("Create %s: %v, want %v", filepath.Base(c.path), err, c.create)
		}
	}
}

var errAny = errors.New("any")

// Who looks for a store while others are making it finds it, and it is made once.
//
// Verifies: STORE-05
func TestOpenWhileMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // the first thing that Create does
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			open := sqlite.Open
			if i%2 == 1 {
				open = sqlite.Create
			}
			db, err := open(t.Context(), path)
			if err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			db.Close()
		})
	}
	all.Wait()
}

// A store in a place that can only be read is read; if its newest entries are still in the
// log beside it, that is told.
//
// Verifies: STORE-05
func TestOpenReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	db := create(t, path)
	r := begin(t, db, time.Now())
	r.Append(text(0, 1, "c2s", "MEAS?"))
	if err := errors.Join(r.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(path, "nowhere"), path+"-shm"); err != nil { // it can't be made, whoever runs this
		t.Skip(err)
	}
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got := find(t, db, store.Query{Text: "MEAS?"}); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	if err := db.Verify(t.Context(), func(d store.Damage) { t.Error(d) }); err != nil {
		t.Error(err)
	}
	db.Close()
	if err := os.WriteFile(path+"-wal", []byte("more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "its newest entries are in") {
		t.Errorf("with a log: %v", err)
	}
}

// A file whose end is missing is damaged, and how much is missing is told.
//
// Verifies: STORE-06
func TestOpenCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	create(t, path).Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path)
	if err == nil {
		db.Close()
	}
	if want := fmt.Sprintf("it has %d of %d bytes, the end is missing", info.Size()/2, info.Size()); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, store.ErrNotStore) {
		t.Errorf("got %v, want %s", err, want)
	}
}
