package embed

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

// Secret is what those have in common who belong together.
type Secret [32]byte

// NewSecret makes a secret.
func NewSecret() (s Secret) {
	rand.Read(s[:])
	return s
}

// ParseSecret reads 64 hexadecimal characters, with white space around them.
func ParseSecret(text string) (s Secret, err error) {
	text = strings.TrimSpace(text)
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return s, fmt.Errorf("a secret is 64 hexadecimal characters, and there are %d others", len(text))
	}
	return Secret(b), nil
}

// ReadSecret reads a secret from a file.
func ReadSecret(file string) (Secret, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Secret{}, err
	}
	s, err := ParseSecret(string(b))
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// String does not show the secret.
func (s Secret) String() string { return "secret" }

// Text is the form that ParseSecret reads.
func (s Secret) Text() string { return hex.EncodeToString(s[:]) }

// derive returns text that only those know who have the secret.
func (s Secret) derive(purpose string) (string, error) {
	b, err := hkdf.Key(sha256.New, s[:], nil, "parley bus "+purpose+" v1", 32)
	return hex.EncodeToString(b), err
}

// serverName is what every node's certificate is for. It is not where a node is but which
// version of the bus it speaks, so nodes of another version are told apart at once.
const serverName = "v1.bus.parley"

// ErrVersion is the error of a peer that speaks another version.
var ErrVersion = errors.New("embed: the other side speaks another version of the bus")

// ErrSecret is the error of a peer with another secret.
var ErrSecret = errors.New("embed: the other side has another secret")

// Certificates are good at any time: what counts is the secret, and the clocks of a
// laboratory's machines differ.
var (
	notBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
)

// tls returns the configuration for this version.
func (s Secret) tls() (*tls.Config, error) { return s.tlsFor(serverName) }

// tlsFor returns the configuration with which both sides prove that they know the secret.
// The authority's key is made of it, so all have the same authority; the node's own key
// is made now and kept nowhere.
func (s Secret) tlsFor(name string) (*tls.Config, error) {
	seed, err := hkdf.Key(sha256.New, s[:], nil, "parley bus authority v1", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	authority := ed25519.NewKeyFromSeed(seed)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "parley bus"}, NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, authority.Public(), authority)
	if err != nil {
		return nil, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	own, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "parley node"}, DNSNames: []string{name}, NotBefore: notBefore, NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if der, err = x509.CreateCertificate(rand.Reader, leaf, root, own, authority); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, ServerName: name,
		VerifyConnection: func(c tls.ConnectionState) error { return sameVersion(c, name) },
	}, nil
}

// sameVersion refuses a peer whose certificate is for another version.
func sameVersion(c tls.ConnectionState, name string) error {
	if len(c.PeerCertificates) == 0 || c.PeerCertificates[0].VerifyHostname(name) != nil {
		return ErrVersion
	}
	return nil
}
