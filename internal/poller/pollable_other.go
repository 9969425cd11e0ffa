//go:build !unix

package poller

import "net"

// Pollable returns l: a client can't be seen before it is accepted.
func Pollable(l net.Listener) net.Listener { return l }
