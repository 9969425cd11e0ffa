package keep

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/archive"
	"github.com/parley-net/parley/store/sqlite"
)

// What a recorder before this one may have kept in another store has a note with the number by
// which it is known again; what this store has already is not kept once more.
//
// Verifies: CLUSTER-24
func TestKeptByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	of := func(seq uint64, again bool) cluster.Kept {
		return cluster.Kept{Delivery: cluster.Delivery{Message: parley.Text("m"), Node: "lab2", At: time.Now()}, Process: "00ab", Seq: seq, Again: again}
	}
	record := func(all ...cluster.Kept) {
		t.Helper()
		k, end, err := NewKeeper(t.Context(), path, "record", "room:x")
		if err != nil {
			t.Fatal(err)
		}
		r := &roomKeeper{Keeper: k, room: "room:x", conns: make(map[string]int), have: make(map[string]uint64), end: func() {}}
		if n := r.take(all); n != len(all) {
			t.Errorf("%d of %d are safe", n, len(all))
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	record(of(1, false), of(2, false))
	record(of(2, true), of(3, true), of(4, false))
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var out bytes.Buffer
	if err := archive.Export(t.Context(), db, 2, "jsonl", &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"note":"may be in the store of a recorder before this one too: number 3 of lab2, process 00ab"`) || strings.Contains(lines[1], "note") {
		t.Errorf("the second session is %s", &out)
	}
}
