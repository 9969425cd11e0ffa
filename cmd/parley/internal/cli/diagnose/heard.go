package diagnose

import (
	"bytes"
	"net"
	"sync"
)

// Heard is a connection that remembers a little of what has arrived, so that
// an error can tell it.
type Heard struct {
	net.Conn

	mu sync.Mutex
	a  Arrival
}

// Arrival is what has arrived on a connection.
type Arrival struct {
	Total   int64
	first   []byte // the first bytes, at most 48
	last    [2]byte
	tail    []byte // the last bytes, at most 64
	sinceLF int64  // bytes behind the last line feed
	sinceCR int64  // bytes behind the last carriage return
}

// Read reads from the connection.
func (h *Heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n > 0 {
		h.note(p[:n])
	}
	return n, err
}

func (h *Heard) note(p []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &h.a
	a.first = append(a.first, p[:min(len(p), 48-len(a.first))]...)
	if n := len(p); n > 1 {
		a.last = [2]byte{p[n-2], p[n-1]}
	} else {
		a.last = [2]byte{a.last[1], p[0]}
	}
	a.tail = append(a.tail, p[max(len(p)-64, 0):]...)
	a.tail = append(a.tail[:0], a.tail[max(len(a.tail)-64, 0):]...)
	a.Total += int64(len(p))
	a.sinceLF = since(a.sinceLF, p, '\n')
	a.sinceCR = since(a.sinceCR, p, '\r')
}

// since returns how many bytes stand behind the last c, when p follows n such
// bytes.
func since(n int64, p []byte, c byte) int64 {
	if i := bytes.LastIndexByte(p, c); i >= 0 {
		return int64(len(p) - i - 1)
	}
	return n + int64(len(p))
}

// NetConn returns the connection itself.
func (h *Heard) NetConn() net.Conn { return h.Conn }

// CloseWrite closes our direction, where that is possible.
func (h *Heard) CloseWrite() error {
	if w, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return net.ErrClosed
}

// SetLinger makes the end a reset, where that is possible.
func (h *Heard) SetLinger(sec int) error {
	if l, ok := h.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return net.ErrClosed
}

// Arrived returns what is remembered.
func (h *Heard) Arrived() Arrival {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.a
	a.first, a.tail = bytes.Clone(a.first), bytes.Clone(a.tail)
	return a
}
