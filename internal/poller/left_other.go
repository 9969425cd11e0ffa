//go:build unix && !linux

package poller

// leftEvents is empty: this system tells the end of the peer's stream only to who has
// read what stands before it.
const leftEvents = 0
