package device

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// minInterval is the shortest time between two texts that a device says by
// itself.
const minInterval = time.Millisecond

// span is a length of time: one, or one between two.
type span struct{ lo, hi time.Duration }

// parseSpan reads "50ms" or "10ms..200ms".
func parseSpan(s string) (span, error) {
	from, to, ok := strings.Cut(s, "..")
	if !ok {
		to = from
	}
	var out span
	var err error
	if out.lo, err = time.ParseDuration(strings.TrimSpace(from)); err != nil {
		return out, spanError(s)
	}
	if out.hi, err = time.ParseDuration(strings.TrimSpace(to)); err != nil {
		return out, spanError(s)
	}
	if out.hi < out.lo {
		return out, fmt.Errorf("%q ends before it begins", s)
	}
	return out, nil
}

func spanError(s string) error {
	if s == "" {
		return errors.New("want a time such as 50ms or 10ms..200ms")
	}
	return fmt.Errorf("%q is no time: write 50ms or 10ms..200ms", s)
}

// draw returns a time of the span; a fixed one needs no random number.
func (s span) draw(r *rand.Rand) time.Duration {
	if s.hi <= s.lo {
		return s.lo
	}
	return s.lo + time.Duration(r.Int64N(int64(s.hi-s.lo)+1))
}
