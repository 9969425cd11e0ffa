// Plugins of one's own: one that compresses, one that signs, used together.
package main

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// plugins are those of both peers; what is sent is compressed first.
func plugins(key string) []parley.Plugin { return []parley.Plugin{Deflate{}, Signed{[]byte(key)}} }

func main() {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Plugins: plugins("secret"), Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	log.Fatal(srv.ListenAndServe("127.0.0.1:7002"))
}

// Deflate compresses each message.
type Deflate struct{}

// Name returns "deflate".
func (Deflate) Name() string { return "deflate" }

// New returns the transform of a connection.
func (Deflate) New(_ wire.Role, maxMessage int64) wire.Transform { return deflate{maxMessage} }

type deflate struct{ most int64 }

// Send appends p, compressed.
func (deflate) Send(dst, p []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	w, err := flate.NewWriter(b, flate.BestSpeed)
	if err != nil {
		return dst, err
	}
	if _, err := w.Write(p); err != nil {
		return dst, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// Receive appends what p was, as long as that is no bomb.
func (d deflate) Receive(dst, p []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	n, err := io.Copy(b, io.LimitReader(flate.NewReader(bytes.NewReader(p)), d.most+1))
	switch {
	case err != nil:
		return dst, err
	case n > d.most:
		return dst, fmt.Errorf("it would be more than %d bytes: %w", d.most, parley.ErrTooLarge)
	}
	return b.Bytes(), nil
}

// Signed puts an HMAC in front of each message.
type Signed struct{ Key []byte }

// Name returns "signed".
func (Signed) Name() string { return "signed" }

// New returns the transform of a connection.
func (s Signed) New(_ wire.Role, most int64) wire.Transform { return signed{s.Key, most} }

type signed struct {
	key  []byte
	most int64
}

func (s signed) sum(p []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(p)
	return h.Sum(nil)
}

// Send appends the signature and p.
func (s signed) Send(dst, p []byte) ([]byte, error) {
	return append(append(dst, s.sum(p)...), p...), nil
}

// Receive appends p without its signature, if that is right.
func (s signed) Receive(dst, p []byte) ([]byte, error) {
	if len(p) < sha256.Size || !hmac.Equal(p[:sha256.Size], s.sum(p[sha256.Size:])) {
		return dst, errors.New("the signature is wrong")
	}
	if p = p[sha256.Size:]; int64(len(p)) > s.most {
		return dst, parley.ErrTooLarge
	}
	return append(dst, p...), nil
}
