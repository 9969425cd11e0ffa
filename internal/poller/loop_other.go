//go:build !linux

package poller

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// There are no loops here: New says so, and none of the rest is called.

type (
	Loop[O any]   struct{}
	Runner[O any] struct{ Buffer []byte }
	Conn[O any]   struct{ net.Conn }
)

func New[O any](func(*Runner[O]) func(O) bool, func(time.Duration)) (*Loop[O], error) {
	return nil, errors.ErrUnsupported
}

func Listener[O any](l net.Listener, _ net.KeepAliveConfig) (net.Listener, error) { return l, nil }
func Adopt[O any](net.Conn) *Conn[O]                                              { return nil }

func (*Loop[O]) Add(*Conn[O], O) error             { return errors.ErrUnsupported }
func (*Loop[O]) Close()                            {}
func (*Runner[O]) Leave()                          {}
func (*Conn[O]) Arm() error                        { return errors.ErrUnsupported }
func (*Conn[O]) TryRead([]byte) (int, bool, error) { return 0, false, errors.ErrUnsupported }
func (*Conn[O]) TryWrite([]byte) (int, error)      { return 0, errors.ErrUnsupported }
func (*Conn[O]) Ended() bool                       { return false }
func (*Conn[O]) Host() netip.Addr                  { return netip.Addr{} }
func (*Conn[O]) Plain() net.Conn                   { return nil }
