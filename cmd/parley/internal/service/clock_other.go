//go:build !linux

package service

import "time"

// monotonic is the clock of managers that are for Linux only.
func monotonic() time.Duration { return 0 }
