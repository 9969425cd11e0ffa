//go:build race

package parley_test

// raceEnabled says that the race detector is at work: what is large is slow
// then, and it counts no more than 8128 goroutines.
const raceEnabled = true
