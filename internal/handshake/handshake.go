// Package handshake serves the handshake of TLS within a bound. Before it is done nobody
// knows who the client is, and crypto/tls takes a first message of 64 KiB of anybody,
// and certificates of 256 KiB: from ten thousand half handshakes that is a gigabyte.
package handshake

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

const (
	// Most is how many bytes of a client may come before the handshake is done. A first
	// message has some 500, and 1,800 with keys that withstand a quantum computer.
	Most = 16 << 10
	// MostCertificates is Most where the client may show certificates.
	MostCertificates = 32 << 10
)

// Server does the server's part of the handshake on nc, which it does not close.
func Server(ctx context.Context, nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	b := &bounded{Conn: nc, most: Most}
	if config.ClientAuth != tls.NoClientCert || config.GetConfigForClient != nil {
		b.most = MostCertificates
	}
	b.left = b.most
	t := tls.Server(b, config)
	err := t.HandshakeContext(ctx)
	b.most = 0
	return t, err
}

// Bare returns what is below the TLS of t.
func Bare(t *tls.Conn) net.Conn {
	nc := t.NetConn()
	if b, ok := nc.(*bounded); ok {
		return b.Conn
	}
	return nc
}

// bounded is a connection of which no more than left bytes can be read, if most is not
// zero.
type bounded struct {
	net.Conn
	most, left int
}

// NetConn returns what it is around.
func (b *bounded) NetConn() net.Conn { return b.Conn }

func (b *bounded) Read(p []byte) (int, error) {
	if b.most == 0 {
		return b.Conn.Read(p)
	}
	if b.left == 0 && len(p) > 0 {
		return 0, fmt.Errorf("the client has sent more than %d bytes, and the handshake is not done", b.most)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
