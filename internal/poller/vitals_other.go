//go:build !linux

package poller

// vitals would tell what the kernel knows.
func vitals(uintptr) (Vitals, bool) { return Vitals{}, false }
