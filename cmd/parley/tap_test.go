package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/pcapng/pcapngtest"
)

// captured returns what the client and the server of each connection in a
// capture file have sent, in the order of the connections.
func captured(t *testing.T, name string) (streams [][2]string) {
	t.Helper()
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	packets, _ := pcapngtest.Read(t, file)
	said := pcapngtest.Reassemble(t, packets)
	for _, p := range packets {
		if p.Flags == pcapngtest.SYN {
			back := pcapngtest.Packet{Src: p.To, To: p.Src}
			streams = append(streams, [2]string{said[p.Flow()], said[back.Flow()]})
		}
	}
	return streams
}

// Whatever two sides say, on every wire: it arrives unaltered, and the capture
// has it all. That it means nothing on the wire only stops the decoding.
//
// Verifies: CARRY-04
func TestTapKeepsEveryByte(t *testing.T) {
	for _, proto := range endpoint.Names() {
		t.Run(proto, func(t *testing.T) {
			dir := t.TempDir()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			url := proto + "://127.0.0.1:0"
			if proto == "frame" {
				url += "?size=u16be&check=xor8"
			}
			tap := startInside(t, true, "tap", url, l.Addr().String(), "-n", "3",
				"--pcapng", filepath.Join(dir, "x.pcapng"), "--record", filepath.Join(dir, "x.jsonl"))
			var want [][2]string
			for i := range 3 {
				addr, _, _ := strings.Cut(tap.addr(), "?")
				client, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				server, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				var said [2]string
				for j, ends := range [][2]net.Conn{{client, server}, {server, client}} {
					said[j] = confusing(uint64(2*i+j), 300_000)
					for _, c := range ends {
						c.SetDeadline(time.Now().Add(patience))
					}
					wg.Go(func() {
						io.WriteString(ends[0], said[j])
						ends[0].(*net.TCPConn).CloseWrite()
					})
					wg.Go(func() {
						got, err := io.ReadAll(ends[1])
						if err != nil || string(got) != said[j] {
							t.Errorf("%d bytes arrived, error %v; want %d", len(got), err, len(said[j]))
						}
					})
				}
				wg.Wait()
				client.Close()
				server.Close()
				want = append(want, said)
			}
			tap.end(0)
			if got := captured(t, filepath.Join(dir, "x.pcapng")); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d connections captured, or not what was said", len(got))
			}
			if proto == "tinyproto" && strings.Count(tap.stderr.String(), "decoding stopped") != 3 {
				t.Errorf("standard error: %.2000s", tap.stderr)
			}
		})
	}
}

// confusing is bytes in which much looks like the beginning of something.
func confusing(seed uint64, n int) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for i := 0; i < n; i += 1 + rng.IntN(5000) {
		copy(b[i:], []string{"\xff\x00\x00\x00\x05", "\x1f\x01SETMODE5\x1f", "\xde\xca\xfe\xca\xfe\x81", "ping\n", "\x00\x01\x00\x01"}[rng.IntN(5)])
	}
	return string(b)
}

// tshark follows what tap has captured.
func TestTapCaptureInTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed; TestTapKeepsEveryByte reads the capture without it")
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	srv := startInside(t, true, "serve", "oneline://127.0.0.1:0", "--echo")
	tap := startInside(t, true, "tap", "oneline://[::1]:0", srv.addr(), "-n", "1", "--pcapng", name)
	if code, out, errs := runParley(t, "", "send", tap.url, "*IDN?", "-n", "1"); code != 0 || out != "*IDN?\n" {
		t.Fatalf("exit code %d, %q, %s", code, out, errs)
	}
	tap.end(0)
	out, err := exec.Command(tshark, "-r", name, "-q", "-z", "follow,tcp,ascii,0").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("*IDN?")) || !bytes.Contains(out, []byte("disconnect")) {
		t.Errorf("tshark shows\n%s", out)
	}
	out, err = exec.Command(tshark, "-r", name, "-Y", "tcp.analysis.flags or _ws.malformed or _ws.expert.severity >= 0x600000").Output()
	if err != nil || len(out) > 0 {
		t.Errorf("tshark finds fault (%v) with\n%s", err, out)
	}
}

// A disk that is full costs the file, not the traffic.
func TestTapFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here, so no disk is full")
	}
	srv := startInside(t, true, "serve", "oneline://127.0.0.1:0", "--echo")
	for _, flag := range []string{"--record", "--pcapng"} {
		tap := startInside(t, true, "tap", "oneline://127.0.0.1:0", srv.addr(), flag, "/dev/full", "--force", "-n", "2")
		for range 2 {
			if code, out, errs := runParley(t, "", "send", tap.url, "hello", "-n", "1"); code != 0 || out != "hello\n" {
				t.Errorf("exit code %d, %q, %s", code, out, errs)
			}
		}
		tap.end(1)
		if got := tap.stderr.String(); strings.Count(got, "it is incomplete from here on, the traffic goes on") != 1 ||
			!strings.Contains(got, flag+": write /dev/full: no space left on device") {
			t.Errorf("standard error: %s", got)
		}
	}
}
