package replay

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parley-net/parley/recording"
)

// A mock that keeps its recorded time is not faster than that, and one that
// does not is.
func TestReplaySpeed(t *testing.T) {
	s := &session{speed: 2}
	before, after := &step{}, &step{}
	before.Entry, after.Entry = entryAt(time.Second), entryAt(1200*time.Millisecond)
	begin := time.Now()
	if err := s.pause(t.Context(), before, after); err != nil || time.Since(begin) < 100*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	after.Entry = entryAt(time.Hour)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := s.pause(ctx, before, after); err != why {
		t.Errorf("a pause that is cut short: %v", err)
	}
	s.speed = 0
	if err := s.pause(t.Context(), before, after); err != nil {
		t.Error(err)
	}
}

func entryAt(at time.Duration) *recording.Entry { return &recording.Entry{At: at} }
