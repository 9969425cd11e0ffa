package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// makeForeign changes the file behind the store's back.
func makeForeign(t testing.TB, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

const childEnv = "PARLEY_STORE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		record(path)
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// record appends without end and prints the number of each entry that is kept.
func record(path string) {
	ctx := context.Background()
	db, err := sqlite.Create(ctx, path)
	if err != nil {
		panic(err)
	}
	r, err := db.Begin(ctx, store.Session{Source: "record"})
	if err != nil {
		panic(err)
	}
	for i := 1; ; i++ {
		if err := r.Append(text(0, 1, "c2s", fmt.Sprint(i))); err != nil {
			panic(err)
		}
		if i%7 == 0 {
			if err := r.Flush(ctx); err != nil {
				panic(err)
			}
			fmt.Println(i)
		}
	}
}

var kills = flag.Int("kills", 5, "how often a recorder is killed")

// What was flushed is there after kill -9, each time.
//
// Verifies: STORE-04
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.db")
	for n := int64(1); n <= int64(*kills); n++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var last string
		for i := 0; i < 20+int(n)*3 && lines.Scan(); i++ {
			last = lines.Text()
		}
		cmd.Process.Kill()
		for lines.Scan() {
			last = lines.Text()
		}
		cmd.Wait()
		db := create(t, path)
		var kept int64
		fmt.Sscan(last, &kept)
		found := find(t, db, store.Query{Session: n})
		if kept == 0 || int64(len(found)) < kept {
			t.Fatalf("run %d: %d entries are there, %d were kept", n, len(found), kept)
		}
		for i, f := range found {
			if string(f.Body) != fmt.Sprint(i+1) {
				t.Fatalf("run %d, entry %d: %s", n, i+1, f.Body)
			}
		}
		if err := db.Verify(t.Context(), func(d store.Damage) { t.Error(d) }); err != nil {
			t.Error(err)
		}
		db.Close()
	}
}

// BenchmarkAppend is row 11 of "To reach": rows of 100 bytes, kept.
func BenchmarkAppend(b *testing.B) {
	db := create(b, filepath.Join(b.TempDir(), "lab.db"))
	r := begin(b, db, time.Now())
	e := text(0, 1, "c2s", strings.Repeat("x", 100))
	for i := 0; b.Loop(); i++ {
		e.At = time.Duration(i)
		if err := r.Append(e); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

var rows = flag.Int("rows", 200_000, "size of the store in which BenchmarkFind looks; row 11 of the list has 10,000,000")

// BenchmarkFind looks for a text within an hour of a long recording.
func BenchmarkFind(b *testing.B) {
	db := create(b, filepath.Join(b.TempDir(), "lab.db"))
	began := time.Unix(1_700_000_000, 0)
	r := begin(b, db, began)
	const day = 24 * time.Hour
	for i := range *rows {
		if err := r.Append(text(day/time.Duration(*rows)*time.Duration(i), int64(i%10), "c2s", fmt.Sprintf("MEAS:VOLT? %d", i))); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	q := store.Query{From: began.Add(12 * time.Hour), To: began.Add(13 * time.Hour), Text: fmt.Sprintf("VOLT? %d", *rows*25/48)}
	for b.Loop() {
		if got := find(b, db, q); len(got) == 0 {
			b.Fatal("not found")
		}
	}
}
