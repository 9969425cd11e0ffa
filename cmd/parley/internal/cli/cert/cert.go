// Package cert is the room of parley cert: keys and certificates to begin with.
package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/spf13/cobra"
)

func Command(a *app.App) *cobra.Command {
	var cert, key string
	var valid time.Duration
	var force bool
	cmd := &cobra.Command{
		Use:   "cert [HOST…]",
		Short: "Make a self-signed certificate and print its fingerprint",
		Long: `Makes a certificate and its key for TLS without a certification authority,
and prints the fingerprint on standard output. The server uses the files with
--cert and --key; its clients trust exactly this certificate with --pin.

HOSTs are the names and addresses by which the server is reached, so that the
certificate can also be used with --ca. localhost stands for 127.0.0.1 and ::1
too, and is what a certificate without any HOST is for.`,
		Example: `  parley cert --cert cert.pem --key key.pem
  parley cert bench.lab 10.0.0.5 --cert bench.pem --key bench.key
  parley serve oneline+tls://:5001 --echo --cert cert.pem --key key.pem
  parley send oneline+tls://bench:5001 hi --pin sha256:…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hosts, err := certHosts(cmd, args)
			if err != nil {
				return err
			}
			if valid <= 0 {
				return fault.Usagef("--valid %v: want more than 0", valid)
			}
			certPEM, keyPEM, print, err := selfSigned(hosts, valid)
			if err != nil {
				return err
			}
			if err := writeNew(key, keyPEM, 0o600, force); err != nil {
				return err
			}
			if err := writeNew(cert, certPEM, 0o644, force); err != nil {
				return err
			}
			fmt.Fprintf(a.Stderr, "certificate in %s, key in %s, valid for %d days\n", cert, key, int(valid.Hours()/24))
			_, err = fmt.Fprintln(a.Stdout, print)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&cert, "cert", "cert.pem", "write the certificate to `FILE`")
	f.StringVar(&key, "key", "key.pem", "write the key to `FILE`; keep it secret")
	f.DurationVar(&valid, "valid", 10*365*24*time.Hour, "how long the certificate is valid, `TIME` (default ten years)")
	f.Lookup("valid").DefValue = "0"
	f.BoolVar(&force, "force", false, "overwrite the files")
	cmd.AddCommand(fingerprintCmd(a))
	return cmd
}

// certHosts returns what a certificate is for.
func certHosts(cmd *cobra.Command, args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"localhost"}
	}
	var hosts []string
	for i, h := range args {
		if near := fault.Nearest(h, []string{"fingerprint"}); i == 0 && len(near) > 0 {
			return nil, fault.Usagef("%q is no host but looks like a misspelt command: did you mean %s %s?", h, cmd.CommandPath(), near[0])
		}
		if err := checkHost(h); err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
		if strings.EqualFold(h, "localhost") {
			hosts = append(hosts, "127.0.0.1", "::1")
		}
	}
	slices.Sort(hosts[1:]) // the first one is its name
	return slices.Compact(hosts), nil
}

// hostName is a name of the DNS, perhaps with a star for its first label.
var hostName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)

// checkHost says what is wrong with a name or an address for a certificate.
func checkHost(h string) error {
	if net.ParseIP(h) != nil {
		return nil
	}
	switch ext := strings.ToLower(filepath.Ext(h)); {
	case strings.Contains(h, "://"):
		return fault.Usagef("%q is a URL: write the host alone", h)
	case slices.Contains([]string{".pem", ".crt", ".cer", ".key"}, ext):
		return fault.Usagef("%q is no host but looks like a file: --cert and --key name the files", h)
	case hostName.MatchString(h) && len(h) <= 253:
		return nil
	}
	if host, _, err := net.SplitHostPort(h); err == nil && host != "" {
		return fault.Usagef("%q has a port: a certificate is for a host, write %s", h, host)
	}
	return fault.Usagef("%q is no name of a host and no address", h)
}

func fingerprintCmd(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "fingerprint FILE",
		Short:   "Print the fingerprint of a certificate, for --pin",
		Example: "  parley cert fingerprint cert.pem",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := app.FileName("the certificate", args[0]); err != nil {
				return err
			}
			b, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			block, _ := pem.Decode(b)
			if block == nil || block.Type != "CERTIFICATE" {
				return fmt.Errorf("%s: no certificate in it: want PEM", args[0])
			}
			_, err = fmt.Fprintln(a.Stdout, wording.Fingerprint(block.Bytes))
			return err
		},
	}
}

// selfSigned makes a certificate for the given names and addresses.
func selfSigned(hosts []string, valid time.Duration) (certPEM, keyPEM []byte, print string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, "", err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, "", err
	}
	start := time.Now().Add(-time.Hour) // clocks differ
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: hosts[0]},
		NotBefore:             start,
		NotAfter:              start.Add(time.Hour + valid),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // so that it can be given to --ca and --client-ca
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, "", err
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return certPEM, keyPEM, wording.Fingerprint(der), nil
}

// writeNew writes a file that must not exist yet, unless force is set.
func writeNew(path string, b []byte, mode fs.FileMode, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: use another name, or --force", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
