package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// Import makes a session of a recording, which is named name and was last written at end.
// It is read twice, so that nothing is kept of a file with a mistake and no file has to be
// in memory. A *recording.UnfinishedError comes with the session that has the entries
// before it.
func Import(ctx context.Context, db *sqlite.DB, name string, r io.ReadSeeker, end time.Time) (session, entries int64, err error) {
	var last time.Duration
	in := recording.NewReader(name, r)
	unfinished := eachEntry(in, func(e *recording.Entry, _ []byte) error {
		entries, last = entries+1, e.At
		_, err := toStore(e, "", nil) // it has a form in a store
		return err
	})
	switch {
	case unfinished != nil && !errors.As(unfinished, new(*recording.UnfinishedError)):
		return 0, 0, unfinished
	case entries == 0:
		return 0, 0, fmt.Errorf("%s: nothing is recorded in it", name)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", name, err)
	}
	zero, dated := in.Zero()
	rec, err := db.Begin(ctx, store.Session{Began: began(zero, dated, last, end), Source: "import", URL: name})
	if err != nil {
		return 0, 0, err
	}
	n := int64(0)
	err = eachEntry(recording.NewReader(name, r), func(e *recording.Entry, raw []byte) error {
		if n == entries {
			return errEnough // what has been recorded meanwhile
		}
		s, err := imported(e, raw)
		if err == nil {
			err = rec.Append(s)
		}
		if err == nil {
			n++
		}
		return err
	})
	if n == entries { // what stands behind them the first reading has judged
		err = nil
	} else if err == nil || errors.As(err, new(*recording.PlaceError)) || errors.As(err, new(*recording.UnfinishedError)) {
		err = fmt.Errorf("%s has changed while it was read: session %d has its first %d entries", name, rec.Session(), n)
	}
	if closeErr := rec.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = unfinished
	}
	return rec.Session(), n, err
}

// eachEntry gives fn each entry, with the bytes of the file that it stands for: the last
// one's are also the blank lines behind it.
func eachEntry(in *recording.Reader, fn func(e *recording.Entry, raw []byte) error) error {
	var last *recording.Entry
	var lastRaw []byte
	give := func() error {
		if last == nil {
			return nil
		}
		return fn(last, lastRaw)
	}
	for {
		e, raw, err := in.Next()
		if err == io.EOF {
			lastRaw = append(lastRaw, raw...)
			return give()
		}
		if giveErr := give(); giveErr != nil {
			return giveErr
		}
		if err != nil {
			return err
		}
		last, lastRaw = &e, raw
	}
}
