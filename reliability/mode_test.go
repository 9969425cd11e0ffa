package reliability

import (
	"flag"
	"os"
	"strconv"
	"testing"
	"time"
)

// full: the cases have the size that docs/reliability.md names, and latencies
// are held to their limits.
var full = os.Getenv("PARLEY_RELIABILITY") == "full"

var (
	oneSeed      = flag.Uint64("seed", fromEnv("PARLEY_SEED", 0), "run the simulations with this seed only (0: with many)")
	seedCount    = flag.Uint64("seeds", fromEnv("PARLEY_SEEDS", 0), "with how many seeds a simulation runs (0: the test's default)")
	mostFailures = flag.Int("failures", 3, "how many failing seeds end a simulation")
	soakTime     = flag.Duration("soak", durationFromEnv("PARLEY_SOAK"), "how long TestSoak goes on (0: the test's default)")
)

func fromEnv(name string, def uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return def
}

func durationFromEnv(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}

// scale returns the size of a case: n in the full mode, else small, and less
// with the race detector, which makes everything many times slower.
func scale(n, small int) int {
	switch {
	case full:
		return n
	case raceEnabled:
		return max(1, small/4)
	}
	return small
}

// within returns the longest that something may take which should take d: that
// in the full mode, else much more, as other programs may keep us waiting.
func within(d time.Duration) time.Duration {
	if full {
		return d
	}
	return d + 20*time.Second
}

// patience bounds every wait for what must come. It passes only when something
// is wrong, and a loaded machine needs a lot of it.
const patience = time.Minute

// together lets the cases of a test run at the same time, to be done sooner. In
// the full mode they come one after the other: latencies are measured.
func together(t *testing.T) {
	if !full {
		t.Parallel()
	}
}
