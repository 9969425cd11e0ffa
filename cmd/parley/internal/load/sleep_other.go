//go:build !linux

package load

import "time"

// preciseSleep returns a function that sleeps for a short time.
func preciseSleep() func(time.Duration) { return time.Sleep }
