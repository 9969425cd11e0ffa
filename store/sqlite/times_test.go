package sqlite_test

import (
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/parley-net/parley/store"
)

// A time that would come back as another one is refused, and as the bound of a search it
// is beyond all entries.
func TestTimesThatCannotBeKept(t *testing.T) {
	db := create(t, filepath.Join(t.TempDir(), "lab.db"))
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	r := begin(t, db, now)
	if err := r.Append(text(time.Second, 1, "c2s", "kept")); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	early, late := time.Date(900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, at := range []time.Time{early, late} {
		if _, err := db.Begin(t.Context(), store.Session{Began: at}); !errors.Is(err, store.ErrTime) {
			t.Errorf("a session of %v: %v", at, err)
		}
	}
	if err := r.Since(t.Context(), early); !errors.Is(err, store.ErrTime) {
		t.Errorf("since %v: %v", early, err)
	}
	if n := len(find(t, db, store.Query{From: early, To: late})); n != 1 {
		t.Errorf("between %v and %v: %d entries", early, late, n)
	}
	if n := len(find(t, db, store.Query{From: late})) + len(find(t, db, store.Query{To: early})); n != 0 {
		t.Errorf("after %v and before %v: %d entries", late, early, n)
	}
	if err := r.Append(text(math.MaxInt64, 1, "c2s", "too late")); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); !errors.Is(err, store.ErrTime) {
		t.Errorf("an entry in 2318: %v", err)
	}
	if n := len(find(t, db, store.Query{})); n != 1 {
		t.Errorf("%d entries", n)
	}
}
