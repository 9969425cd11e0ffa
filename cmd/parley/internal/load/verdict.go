package load

import (
	"fmt"
	"sync"

	"github.com/parley-net/parley"
)

// verdict counts what came back otherwise than it was sent, and keeps the
// first case.
type verdict struct {
	mu    sync.Mutex
	n     int64
	first string
}

func (v *verdict) add(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n++; v.n == 1 {
		v.first = fmt.Sprintf(format, args...)
	}
}

// wrong notes that got came back for message i of connection n.
func (v *verdict) wrong(n int, i int64, got, want parley.Message) {
	v.add("connection %d, message %d: sent %v, got %v", n+1, i+1, want, got)
}

// unexpected notes a message for which nothing was sent.
func (v *verdict) unexpected(n int, got parley.Message) {
	v.add("connection %d: got %v, which answers nothing", n+1, got)
}

func (v *verdict) result() (n int64, first string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.n, v.first
}
