package load

import (
	"runtime"
	"sync"
	"time"
)

// stopwatch measures how much of its processors this process uses.
type stopwatch struct {
	mu         sync.Mutex
	begun      time.Time
	used, wall time.Duration
	running    bool
}

func (s *stopwatch) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun, s.used, s.running = time.Now(), processorTime(), true
}

func (s *stopwatch) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		s.running = false
		s.used = processorTime() - s.used
		s.wall = time.Since(s.begun)
	}
}

// share is the part of all its processors that the process has used between
// start and stop, 0 if that is unknown.
func (s *stopwatch) share() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || s.wall <= 0 || s.used <= 0 {
		return 0
	}
	return float64(s.used) / float64(s.wall) / float64(runtime.GOMAXPROCS(0))
}
