package service

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the manager's clock, by which it tells an answer to its request to
// reload from an earlier one.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
