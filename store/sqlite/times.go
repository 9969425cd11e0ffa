package sqlite

import (
	"fmt"
	"math"
	"time"

	"github.com/parley-net/parley/store"
)

// A time is kept in nanoseconds since 1970, which is enough for those from 1678 to 2262.

// nanoseconds returns t as it is kept, and refuses one that would come back as another.
func nanoseconds(t time.Time) (int64, error) {
	n := t.UnixNano()
	if !time.Unix(0, n).Equal(t) {
		return 0, fmt.Errorf("%w: %v", store.ErrTime, t)
	}
	return n, nil
}

// bound returns t, or the nearest time that can be kept: it bounds a search.
func bound(t time.Time) int64 {
	n, err := nanoseconds(t)
	switch {
	case err == nil:
		return n
	case t.Year() < 1970:
		return math.MinInt64
	}
	return math.MaxInt64
}
