package handshake_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/handshake"
)

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// hello is the beginning of a ClientHello of size bytes, in records.
func hello(size int) []byte {
	message := append([]byte{1, byte(size >> 16), byte(size >> 8), byte(size)}, make([]byte, size)...)
	var b bytes.Buffer
	for len(message) > 0 {
		n := min(len(message), 16<<10)
		b.Write(binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(n)))
		b.Write(message[:n])
		message = message[n:]
	}
	return b.Bytes()
}

// A first message that is too long is not read to its end, and the error says why.
//
// Verifies: RUNTIME-08
func TestTooMuch(t *testing.T) {
	for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequireAndVerifyClientCert} {
		near, far := net.Pipe()
		defer far.Close()
		ended := make(chan error, 1)
		go func() {
			_, err := handshake.Server(t.Context(), near, &tls.Config{Certificates: []tls.Certificate{certificate(t)}, ClientAuth: auth})
			near.Close()
			ended <- err
		}()
		n, _ := far.Write(hello(60_000))
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "the handshake is not done") {
			t.Errorf("%v: %v", auth, err)
		}
		if n > handshake.MostCertificates {
			t.Errorf("%v: %d bytes were read", auth, n)
		}
	}
}

// A client with what honest ones have passes, and is not bounded behind its handshake.
//
// Verifies: RUNTIME-08
func TestEnough(t *testing.T) {
	long := make([]string, 40)
	for i := range long {
		long[i] = strings.Repeat("p", 200)
	}
	for _, protocols := range [][]string{nil, long} {
		near, far := net.Pipe()
		defer far.Close()
		own := certificate(t)
		go func() {
			c := tls.Client(far, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols, Certificates: []tls.Certificate{own}})
			c.Write(make([]byte, 500_000))
			c.CloseWrite()
			io.Copy(io.Discard, c)
		}()
		config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, ClientAuth: tls.RequireAnyClientCert}
		if protocols != nil {
			config.NextProtos = protocols[:1]
		}
		s, err := handshake.Server(context.Background(), near, config)
		if err != nil {
			t.Fatal(err)
		}
		if handshake.Bare(s) != near {
			t.Error("Bare returns something else")
		}
		if n, err := io.Copy(io.Discard, s); n != 500_000 || err != nil {
			t.Errorf("%d bytes have come, %v", n, err)
		}
		s.Close()
	}
}
