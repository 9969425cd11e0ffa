//go:build !linux

package parley

// outqueueFD would tell what the peer's kernel has not taken yet.
func outqueueFD(uintptr) int { return 0 }
