//go:build !linux

package poller

import "time"

// unanswered would tell whether the peer's kernel answers.
func unanswered(uintptr) (bool, time.Duration) { return false, 0 }
