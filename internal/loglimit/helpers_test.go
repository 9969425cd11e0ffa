package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// stamped notes when records come.
type stamped struct {
	slog.Handler
	mu    *sync.Mutex
	times *[]time.Time
}

func (s stamped) Handle(ctx context.Context, r slog.Record) error {
	s.mu.Lock()
	*s.times = append(*s.times, time.Now())
	s.mu.Unlock()
	return s.Handler.Handle(ctx, r)
}
