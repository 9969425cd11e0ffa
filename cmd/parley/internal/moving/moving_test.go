package moving

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhile(t *testing.T) {
	for _, c := range []struct {
		name  string
		moved func(elapsed time.Duration) uint64
		after time.Duration // 0: never
	}{
		{"nothing", func(time.Duration) uint64 { return 7 }, 30 * time.Second},
		{"a byte every 29 s", func(d time.Duration) uint64 { return uint64(d / (29 * time.Second)) }, 0},
		{"for a while", func(d time.Duration) uint64 { return uint64(min(d, time.Minute)) }, 90 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := While(t.Context(), 30*time.Second, func() uint64 { return c.moved(time.Since(start)) })
				defer cancel()
				select {
				case <-ctx.Done():
					if took := time.Since(start); c.after == 0 || took < c.after || took > c.after+4*time.Second {
						t.Errorf("it ended after %v, want %v", took, c.after)
					}
					if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
						t.Errorf("it says %v, %v", ctx.Err(), context.Cause(ctx))
					}
				case <-time.After(time.Hour):
					if c.after > 0 {
						t.Error("it has not ended")
					}
					cancel()
					if ctx.Err() != context.Canceled {
						t.Errorf("it says %v", ctx.Err())
					}
				}
			})
		})
	}
	t.Run("its parent ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, end := context.WithCancel(t.Context())
			ctx, cancel := While(parent, time.Hour, func() uint64 { return 0 })
			defer cancel()
			end()
			<-ctx.Done()
			if ctx.Err() != context.Canceled {
				t.Errorf("it says %v", ctx.Err())
			}
		})
	})
}
