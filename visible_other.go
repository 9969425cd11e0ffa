//go:build !unix

package parley

import "net"

// seeing returns l: a client can't be seen before it is accepted.
func seeing(l net.Listener) net.Listener { return l }
