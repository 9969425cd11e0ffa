package reliability

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key = a.newKey()
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, nil, &a.key.PublicKey)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(c *x509.Certificate, parent *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	a.t.Helper()
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return leaf
}

// certificate returns one for host that ends at the given time.
func (a *authority) certificate(host string, end time.Time) tls.Certificate {
	key := a.newKey()
	leaf := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// logbook collects what a server logs.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Whatever is wrong with TLS, the connection is refused within the handshake's
// 5 s, one of the two sides is told the cause, and the server goes on.
//
// Verifies: RUNTIME-04, RUNTIME-08
func TestTLSRefusals(t *testing.T) {
	ca := newAuthority(t)
	later := time.Now().Add(time.Hour)
	good := ca.certificate("localhost", later)
	server := func(certs ...tls.Certificate) *tls.Config { return &tls.Config{Certificates: certs} }
	client := func(certs ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: ca.pool, ServerName: "localhost", Certificates: certs}
	}
	mutual := server(good)
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	old := client()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	stranger := client(newAuthority(t).certificate("localhost", later))
	cases := []struct {
		name           string
		server, client *tls.Config
		cause          string // what one of the two is told
	}{
		{"expired", server(ca.certificate("localhost", time.Now().Add(-time.Hour))), client(), "expired"},
		{"wrong name", server(ca.certificate("elsewhere.example", later)), client(), "elsewhere.example, not localhost"},
		{"unknown authority", server(good), &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}, "unknown authority"},
		{"no client certificate", mutual, client(), "client didn't provide a certificate"},
		{"client certificate of another authority", mutual, stranger, "unknown authority"},
		{"TLS 1.1", server(good), old, "unsupported versions"},
		{"plain to TLS", server(good), nil, "first record does not look like a TLS handshake|TLS handshake failed"}, // one byte does not show
		{"silent to TLS", server(good), nil, "i/o timeout|deadline"},
		{"TLS to plain", nil, client(), "first record does not look like a TLS handshake|looks like TLS|timeout: TLS"},
	}
	const limit = 5 * time.Second
	eachDriver(t, func(t *testing.T, d driver) {
		together(t)
		for _, w := range []form{formOf("oneline"), formOf("tinyproto"), formOf("serpy"), formOf("serpy2"), formOf("line"), formOf("frame")} {
			for _, c := range cases {
				t.Run(w.name+"/"+c.name, func(t *testing.T) {
					together(t)
					var book logbook
					srv := &parley.Server{
						Protocol: w.protocol, Handler: echo, TLSConfig: c.server, Logger: slog.New(slog.NewTextHandler(&book, nil)),
						Timeouts: parley.Timeouts{Handshake: limit},
					}
					addr := start(t, d, srv)
					began := time.Now()
					dialer := &parley.Dialer{Protocol: w.protocol, TLSConfig: c.client, Timeouts: parley.Timeouts{Handshake: limit}}
					err := useOnce(t, dialer, addr, c.name == "silent to TLS")
					took := time.Since(began)
					if err == nil {
						t.Fatal("it was not refused")
					}
					eventually(t, "the server to be rid of it", func() bool { return srv.Stats().Open == 0 })
					told := soon(func() bool {
						return slices.ContainsFunc(strings.Split(c.cause, "|"), func(cause string) bool {
							return strings.Contains(err.Error()+book.String(), cause)
						})
					})
					figure(t, "refused after %v: %v", took.Round(time.Millisecond), err)
					if took > within(limit+limit/10) {
						t.Errorf("it took %v, want at most %v", took, limit)
					}
					if !told {
						t.Errorf("nobody is told the cause: the client gets %v, the server logs\n%s", err, book.String())
					}
				})
			}
		}
	})
}

// useOnce connects, says something and waits for an answer. A silent client
// sends nothing.
func useOnce(t *testing.T, dialer *parley.Dialer, addr string, silent bool) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if silent {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(patience))
		_, err = nc.Read(make([]byte, 1))
		return err
	}
	c, err := dialer.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	_, err = c.Call(ctx, parley.Text("hello"))
	return err
}
