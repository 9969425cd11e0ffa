package parley_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log"
	"math/big"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// authority signs the certificates of an example. A program loads them instead, with
// tls.LoadX509KeyPair and x509.CertPool.AppendCertsFromPEM.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() *authority {
	a := &authority{}
	_, a.cert, a.key = a.sign(&x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true})
	return a
}

// pool holds the authority, for who trusts it.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue returns a certificate for name.
func (a *authority) issue(name string) tls.Certificate {
	c, _, _ := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return c
}

func (a *authority) sign(template *x509.Certificate) (tls.Certificate, *x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotAfter = time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, cert, key
}

// TLS: the client knows whom it speaks to.
func ExampleServer_tLS() {
	ca := newAuthority()
	srv := &parley.Server{
		Protocol:  serpy2.Protocol{},
		Handler:   parley.HandlerFunc(echo),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{ca.issue("device.lab")}},
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	d := parley.Dialer{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{
		RootCAs:    ca.pool(),    // nil: those of the system
		ServerName: "device.lab", // not needed where that is the host dialled
	}}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Call(ctx, parley.Text("hello")))
	// Output: text[5] "hello" <nil>
}

// Mutual TLS: the server knows its clients too, and by which name.
func ExampleServer_mutualTLS() {
	ca := newAuthority()
	srv := &parley.Server{
		Protocol: serpy2.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			client := c.NetConn().(*tls.Conn).ConnectionState().PeerCertificates[0]
			return c.Send(ctx, parley.Text("hello "+client.Subject.CommonName))
		}),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{ca.issue("device.lab")},
			ClientCAs:    ca.pool(),
			ClientAuth:   tls.RequireAndVerifyClientCert,
		},
	}
	addr := listenAndServe(srv)
	defer srv.Close()

	ctx := context.Background()
	with := &tls.Config{RootCAs: ca.pool(), ServerName: "device.lab", Certificates: []tls.Certificate{ca.issue("ann")}}
	c, err := (&parley.Dialer{Protocol: serpy2.Protocol{}, TLSConfig: with}).Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Call(ctx, parley.Text("who am I?")))
	// Output: text[9] "hello ann" <nil>
}
