package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Peers that send and do not read, through everything that serves or relays: the
// process stays below 700 MiB, and gives back what it had. PARLEY_RELIABILITY=full
// runs it in the size of docs/reliability.md.
//
// Verifies: LIMITS-05
func TestMemoryOfTheProcess(t *testing.T) {
	full := os.Getenv("PARLEY_RELIABILITY") == "full"
	conns, each, after := 20, 4<<20, 12*time.Second
	if full {
		conns, each, after = 80, 16<<20, 30*time.Second
	}
	const most, itself = 700 << 10, 48 << 10 // KiB; a process that has held nothing has some 30 MiB
	block := append(bytes.Repeat([]byte("x"), 60_000), 0x1f)
	cert, key := certificateFiles(t)
	for _, c := range []struct {
		name   string
		args   []string
		dest   bool
		secure bool
	}{
		{"relay", []string{"serve", "serpy://127.0.0.1:0", "--relay"}, false, false},
		{"echo", []string{"serve", "serpy://127.0.0.1:0", "--echo"}, false, false},
		{"tap", []string{"tap", "serpy://127.0.0.1:0"}, true, false},
		{"bridge", []string{"bridge", "serpy://127.0.0.1:0"}, true, false},
		{"relay, TLS", []string{"serve", "serpy+tls://127.0.0.1:0", "--relay"}, false, true},
		{"echo, TLS", []string{"serve", "serpy+tls://127.0.0.1:0", "--echo"}, false, true},
		{"tap, TLS", []string{"tap", "serpy+tls://127.0.0.1:0"}, true, true},
		{"bridge, TLS", []string{"bridge", "serpy+tls://127.0.0.1:0"}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if c.secure {
				args = append(args, "--cert", cert, "--key", key)
			}
			if c.dest {
				url, _ := listens(t, "serve", "serpy://127.0.0.1:0", "--echo")
				args = append(args, url)
			}
			p := beside(t, args...)
			found, err := p.stderr.await(ready)
			if err != nil {
				t.Fatalf("%v\n%s", err, p.stderr)
			}
			addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(found[1])
			var all, bare []net.Conn
			for range conns {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				bare = append(bare, nc)
				if c.secure {
					nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				all = append(all, nc)
			}
			var wg sync.WaitGroup
			for _, nc := range all {
				wg.Go(func() {
					nc.SetWriteDeadline(time.Now().Add(8 * time.Second)) // it may not be taken any more
					for left := each; left > 0; left -= len(block) {
						if _, err := nc.Write(block); err != nil {
							return
						}
					}
				})
			}
			wg.Wait()
			for _, nc := range bare {
				nc.(*net.TCPConn).SetLinger(0)
				nc.Close()
			}
			pid := p.cmd.Process.Pid
			time.Sleep(after)
			peak, left := memoryOf(t, pid, "VmHWM"), memoryOf(t, pid, "VmRSS")
			t.Logf("%s: %d connections, %d MiB each: at most %d MiB, %v later %d MiB", c.name, conns, each>>20, peak>>10, after, left>>10)
			if peak > most {
				t.Errorf("it held %d MiB", peak>>10)
			}
			if left > max(peak/4, itself) {
				t.Errorf("%d MiB are left of %d", left>>10, peak>>10)
			}
		})
	}
}

// certificateFiles returns files with a certificate for 127.0.0.1, and its key.
func certificateFiles(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, own, own, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

// memoryOf returns a figure of a process's memory in KiB.
func memoryOf(t *testing.T, pid int, name string) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("%d has no %s", pid, name)
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n
}
