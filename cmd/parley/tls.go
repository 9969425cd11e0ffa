package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// tlsFlags say who this side is and whom it trusts.
type tlsFlags struct {
	cert, key    string
	ca, clientCA string
	insecure     bool
	pins         []string
}

// dialTLSFlags adds the flags of TLS for a command that connects.
func (a *app) dialTLSFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.tls.ca, "ca", "", "check the server's certificate against those in `FILE` (default: the system's)")
	f.StringSliceVar(&a.tls.pins, "pin", nil, "accept exactly the certificate with this SHA-256 `FINGERPRINT`")
	f.BoolVar(&a.tls.insecure, "insecure", false, "accept any certificate")
	a.ownCertFlags(cmd)
}

// listenTLSFlags adds the flags of TLS for a command that listens.
func (a *app) listenTLSFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.tls.clientCA, "client-ca", "", "ask clients for a certificate and check it against those in `FILE`")
	a.ownCertFlags(cmd)
}

func (a *app) ownCertFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	if f.Lookup("cert") != nil {
		return // a command that does both
	}
	f.StringVar(&a.tls.cert, "cert", "", "our certificate, PEM in `FILE`")
	f.StringVar(&a.tls.key, "key", "", "its key, PEM in `FILE`")
}

// client returns the configuration for connecting.
func (f *tlsFlags) client() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.insecure}
	var err error
	if f.ca != "" {
		if c.RootCAs, err = certPool("--ca", f.ca); err != nil {
			return nil, err
		}
	}
	if len(f.pins) > 0 {
		pins, err := parsePins(f.pins)
		if err != nil {
			return nil, err
		}
		// A pinned certificate is trusted for itself: not its name, issuer or
		// dates count.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error {
			got := sha256.Sum256(s.PeerCertificates[0].Raw)
			for _, p := range pins {
				if bytes.Equal(p, got[:]) {
					return nil
				}
			}
			return &pinError{got: fingerprint(s.PeerCertificates[0].Raw)}
		}
	}
	c.Certificates, err = f.own()
	return c, err
}

// server returns the configuration for listening.
func (f *tlsFlags) server() (*tls.Config, error) {
	if f.cert == "" {
		return nil, usagef("a +tls server needs a certificate: --cert FILE --key FILE; \"parley cert\" makes one")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if f.clientCA != "" {
		if c.ClientCAs, err = certPool("--client-ca", f.clientCA); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.Certificates, err = f.own()
	return c, err
}

// own loads our certificate, if there is one.
func (f *tlsFlags) own() ([]tls.Certificate, error) {
	switch {
	case f.cert == "" && f.key == "":
		return nil, nil
	case f.cert == "":
		return nil, usagef("--key needs --cert")
	case f.key == "":
		return nil, usagef("--cert needs --key")
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, &fault{code: fileCode(err), err: fmt.Errorf("--cert %s --key %s: %w", f.cert, f.key, err)}
	}
	return []tls.Certificate{pair}, nil
}

// fileCode is the exit code for a file of TLS that can't be used.
func fileCode(err error) int {
	if isMissing(err) {
		return exitUsage
	}
	return exitTLS
}

func certPool(flag, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, &fault{code: fileCode(err), err: fmt.Errorf("%s: %w", flag, err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &fault{code: exitTLS, err: fmt.Errorf("%s %s: no certificate in it: want PEM", flag, file)}
	}
	return pool, nil
}

// fingerprint returns the SHA-256 of a certificate as it is given to --pin.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// parsePins reads fingerprints: 64 hex digits, with or without "sha256:" and
// colons between the bytes, as openssl prints them.
func parsePins(pins []string) ([][]byte, error) {
	var parsed [][]byte
	for _, p := range pins {
		digits := strings.ToLower(p)
		digits = strings.TrimPrefix(digits, "sha256:")
		digits = strings.ReplaceAll(digits, ":", "")
		b, err := hex.DecodeString(digits)
		if err == nil && len(b) != sha256.Size {
			err = errors.New("want 64 hex digits")
		}
		if err != nil {
			return nil, usagef("--pin %s: %w", p, plainError(err))
		}
		parsed = append(parsed, b)
	}
	return parsed, nil
}
