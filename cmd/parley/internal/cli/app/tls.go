package app

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

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/spf13/cobra"
)

// tlsFlags say who this side is and whom it trusts.
type tlsFlags struct {
	Cert, key    string
	CA, clientCA string
	Insecure     bool
	Pins         []string
}

// DialTLSFlags adds the flags of TLS for a command that connects.
func (a *App) DialTLSFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.TLS.CA, "ca", "", "check the server's certificate against those in `FILE` (default: the system's)")
	f.StringSliceVar(&a.TLS.Pins, "pin", nil, "accept exactly the certificate with this SHA-256 `FINGERPRINT`")
	f.BoolVar(&a.TLS.Insecure, "insecure", false, "accept any certificate")
	a.OwnCertFlags(cmd)
}

// ListenTLSFlags adds the flags of TLS for a command that listens.
func (a *App) ListenTLSFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.TLS.clientCA, "client-ca", "", "ask clients for a certificate and check it against those in `FILE`")
	a.OwnCertFlags(cmd)
}

func (a *App) OwnCertFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	if f.Lookup("cert") != nil {
		return // a command that does both
	}
	f.StringVar(&a.TLS.Cert, "cert", "", "our certificate, PEM in `FILE`")
	f.StringVar(&a.TLS.key, "key", "", "its key, PEM in `FILE`")
}

// client returns the configuration for connecting.
func (f *tlsFlags) client() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.Insecure}
	var err error
	if f.CA != "" {
		if c.RootCAs, err = certPool("--ca", f.CA); err != nil {
			return nil, err
		}
	}
	if len(f.Pins) > 0 {
		pins, err := parsePins(f.Pins)
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
			return &fault.PinError{Got: wording.Fingerprint(s.PeerCertificates[0].Raw)}
		}
	}
	c.Certificates, err = f.own()
	return c, err
}

// Server returns the configuration for listening.
func (f *tlsFlags) Server() (*tls.Config, error) {
	if f.Cert == "" {
		return nil, fault.Usagef("a +tls server needs a certificate: --cert FILE --key FILE; \"parley cert\" makes one")
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
	case f.Cert == "" && f.key == "":
		return nil, nil
	case f.Cert == "":
		return nil, fault.Usagef("--key needs --cert")
	case f.key == "":
		return nil, fault.Usagef("--cert needs --key")
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.key)
	if err != nil {
		return nil, &fault.Error{Code: fileCode(err), Err: fmt.Errorf("--cert %s --key %s: %w", f.Cert, f.key, err)}
	}
	return []tls.Certificate{pair}, nil
}

// fileCode is the exit code for a file of TLS that can't be used.
func fileCode(err error) int {
	if fault.IsMissing(err) {
		return fault.Usage
	}
	return fault.TLS
}

func certPool(flag, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, &fault.Error{Code: fileCode(err), Err: fmt.Errorf("%s: %w", flag, err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &fault.Error{Code: fault.TLS, Err: fmt.Errorf("%s %s: no certificate in it: want PEM", flag, file)}
	}
	return pool, nil
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
			return nil, fault.Usagef("--pin %s: %w", p, fault.PlainError(err))
		}
		parsed = append(parsed, b)
	}
	return parsed, nil
}
