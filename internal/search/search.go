// Package search looks for marks in streams that arrive in pieces.
package search

import (
	"bytes"
	"strings"
)

// Mark looks for mark in p. found says that it is there, at n; else p[:n] holds no part of
// it, and what is behind n may be its beginning.
func Mark(p []byte, mark string) (n int, found bool) {
	if i := bytes.Index(p, []byte(mark)); i >= 0 {
		return i, true
	}
	tail := p[max(0, len(p)-len(mark)+1):]
	for len(tail) > 0 && !strings.HasPrefix(mark, string(tail)) {
		tail = tail[1:]
	}
	return len(p) - len(tail), false
}
