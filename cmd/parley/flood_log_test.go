//go:build unix

package main

import (
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
)

// Whatever a flood consists of, on whatever wire: beyond the first 256 KiB its log is
// at most a tenth of what has arrived, in everything that serves or relays.
//
// Verifies: RUNTIME-75
func TestFloodedLogs(t *testing.T) {
	const free = 256 << 10
	for _, flood := range []struct {
		name, url    string
		first, again string // in hexadecimal
		times, conns int
	}{
		{"bad sums", "serpy2://127.0.0.1:0", "", "decafecafe810100000000000000", 3000, 10},
		{"bad base85", "serpy://127.0.0.1:0", "015345544d4f4445321f", "7e7e7e1f", 10_000, 10},
		{"bad modes", "serpy://127.0.0.1:0", "", "015345544d4f4445781f", 3000, 10},
		{"no hello", "tinyproto://127.0.0.1:0", "", "00", 1, 400},
		{"a hello, and gone", "tinyproto://127.0.0.1:0", "ff", "", 0, 400},
		{"bad checks", "frame://127.0.0.1:0?size=u8&strip=1&check=xor8", "", "0341420000", 3000, 10},
		{"bad magic", "frame://127.0.0.1:0?magic=%aa%55&offset=2&size=u8&strip=3", "", "0102030405060708", 3000, 10},
		{"goodbyes", "oneline://127.0.0.1:0", "", "70696e670a646973636f6e6e6563740a", 1, 100},
		{"not text", "line://127.0.0.1:0", "", "fffefd0a", 5000, 10},
		{"short lives", "line://127.0.0.1:0", "", "610a", 1, 400},
	} {
		for _, command := range []string{"serve", "tap", "bridge"} {
			t.Run(flood.name+"/"+command, func(t *testing.T) {
				args := []string{"serve", flood.url, "--echo", "-v"}
				if command != "serve" {
					behind := startInside(t, true, "serve", flood.url, "--echo")
					args = []string{command, flood.url, behind.url, "-v"}
				}
				r := startInside(t, true, args...)
				addr, _, _ := strings.Cut(r.addr(), "?")
				addr, _, _ = strings.Cut(addr, " ")
				first, _ := hex.DecodeString(flood.first)
				again, _ := hex.DecodeString(flood.again)
				all := string(first) + strings.Repeat(string(again), flood.times)
				arrived := 0
				for range flood.conns {
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					go io.Copy(io.Discard, nc)
					n, _ := io.WriteString(nc, all) // it may be closed in the middle
					arrived += n
					nc.(*net.TCPConn).CloseWrite()
					if command == "serve" || flood.times > 1 {
						nc.Close()
					} else {
						defer nc.Close()
					}
				}
				r.stop()
				r.wait()
				if n := len(r.stderr.String()); n > free+arrived/10 {
					t.Errorf("%d bytes arrived, the log has %d", arrived, n)
				} else {
					t.Logf("%d bytes arrived, the log has %d", arrived, n)
				}
			})
		}
	}
}
