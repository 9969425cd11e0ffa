package keep

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/parley-net/parley/cmd/parley/internal/archive"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
)

// StoredSession returns the entries of DB#N, and whether file names such a one.
func StoredSession(ctx context.Context, file string) (entries []recording.Entry, ok bool, err error) {
	path, number, ok := cutLast(file, "#")
	if !ok {
		return nil, false, nil
	}
	session, err := strconv.ParseInt(number, 10, 64)
	if err != nil || session < 1 {
		return nil, false, nil
	}
	if _, err := os.Stat(file); err == nil {
		return nil, false, nil // a file of this very name
	}
	db, err := OpenStore(ctx, path)
	if err != nil {
		return nil, true, err
	}
	defer db.Close()
	if _, err := db.Session(ctx, session); err != nil {
		return nil, true, storeFault(err)
	}
	err = db.Find(ctx, store.Query{Session: session}, func(f store.Found) error {
		e, err := archive.FromStore(&f.Entry)
		if err != nil {
			return err
		}
		e.File, e.Line, e.Col = file, int(f.Seq), 1
		e.Conn = max(e.Conn, 1)
		entries = append(entries, e)
		return nil
	})
	return entries, true, err
}

// cutLast cuts s at the last sep.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
