//go:build unix

package main

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests in this file run bridge, image and bench with the original
// programs; see chat_peers_test.go and replay_peers_test.go for where they are.

// bridged starts a bridge and returns its port.
func bridged(t *testing.T, args ...string) int {
	t.Helper()
	p := beside(t, append([]string{"bridge"}, args...)...)
	found, err := p.stderr.await(ready)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the bridge says\n%s", p.stderr)
		}
	})
	_, addr, _ := strings.Cut(found[1], "://")
	return portOf(t, addr)
}

// got checks what a driver has received.
func got(t *testing.T, result any, kind, text string) {
	t.Helper()
	m, _ := result.(map[string]any)
	if v, ok := m["value"].(map[string]any); ok {
		m = v
	}
	if m["type"] != kind || m["text"] != text {
		t.Errorf("received %v, want %s %s", result, kind, text)
	}
}

// An original oneline client in front of an original serpy2 server.
func TestBridgeOriginalsOnelineToSerpy2(t *testing.T) {
	findOriginals(t, "oneline")
	_, port := originalServer(t, "serpy/examples/test_serpy2_1_pingpongServer.py")
	client := startPython(t, "oneline", "oneline")
	at := bridged(t, "oneline://127.0.0.1:0", "serpy2://127.0.0.1:"+port, "--typed", "--answers", "1")
	if client.do("connect", peerArgs{"port": at}) != true {
		t.Fatal("the original can't connect")
	}
	for _, text := range []string{"hello", "int:-7", "float:2.5", "b64:AP8="} {
		client.do("send", peerArgs{"value": "'" + text + "'"})
		got(t, client.do("recv", nil), "text", text)
	}
	client.do("disconnect", nil)
	if client.do("connect", peerArgs{"port": at}) != true { // its place is free again
		t.Error("the original can't connect again")
	}
	client.do("disconnect", nil)
}

// An original tinyproto client in front of an original oneline device.
func TestBridgeOriginalsTinyprotoToOneline(t *testing.T) {
	for _, version := range []string{"tinyproto2", "tinyproto3"} {
		t.Run(version, func(t *testing.T) {
			device := startPython(t, "oneline", "oneline")
			client := startPython(t, version, "tinyproto")
			port := device.do("listen", peerArgs{"answer": "lambda c: ['ack', 'and more'] if c == 'cmd01' else []"})
			at := bridged(t, "tinyproto://127.0.0.1:0", fmt.Sprintf("oneline://127.0.0.1:%v", port))
			for range 2 {
				client.do("connect", peerArgs{"port": at})
				client.do("send", peerArgs{"value": "b'cmd01'"})
				got(t, client.do("recv", nil), "bytes", "61636b")
				got(t, client.do("recv", nil), "bytes", fmt.Sprintf("%x", "and more"))
				client.do("send", peerArgs{"value": "b'shutdown'"}) // not for the device
				client.do("ended", nil)
			}
		})
	}
}

// Two serpy originals: every mode, and the acknowledgement of the one is that
// of the other.
func TestBridgeOriginalsSerpy(t *testing.T) {
	server, client := startPython(t, "serpy", "serpy"), startPython(t, "serpy", "serpy")
	port := server.do("listen", nil)
	client.do("connect", peerArgs{"port": bridged(t, "serpy://127.0.0.1:0", fmt.Sprintf("serpy://127.0.0.1:%v", port))})
	server.do("accept", nil)
	for _, v := range []struct {
		python string
		mode   int
		kind   string
		text   string
	}{
		{"'text'", 0, "bytes", "74657874"},
		{"'text'", 1, "bytes", "74657874"},
		{"b'\\x00\\xff'", 2, "bytes", "00ff"},
		{"b'\\x01\\x04\\x1f'", 3, "bytes", "01041f"},
		{"[1, None]", 4, "object", "[1, None]"},
		{"(1, {2})", 5, "object", "(1, {2})"},
	} {
		if sent := client.do("send", peerArgs{"value": v.python, "mode": v.mode}); v.mode%2 == 1 && sent != true {
			t.Errorf("mode %d: sendData returned %v", v.mode, sent)
		}
		r := server.do("recv", nil)
		got(t, r, v.kind, v.text)
		if mode := r.(map[string]any)["mode"]; mode != float64(v.mode) {
			t.Errorf("arrived in mode %v, want %d", mode, v.mode)
		}
		server.do("send", peerArgs{"value": "got", "mode": v.mode})
		got(t, client.do("recv", nil), v.kind, v.text)
	}
	client.do("close", nil)
}

// An original serpy2 client in front of original tinyproto servers.
func TestBridgeOriginalsSerpy2ToTinyproto(t *testing.T) {
	for _, version := range []string{"tinyproto2", "tinyproto3"} {
		t.Run(version, func(t *testing.T) {
			server, client := startPython(t, version, "tinyproto"), startPython(t, "serpy", "serpy2")
			port := server.do("listen", peerArgs{"echo": true})
			client.do("connect", peerArgs{"port": bridged(t, "serpy2://127.0.0.1:0", fmt.Sprintf("tinyproto://127.0.0.1:%v", port))})
			for _, v := range []struct{ python, text string }{{"-7", "2d37"}, {"2.5", "322e35"}, {"'ü'", "c3bc"}, {"b'\\x00\\xff'", "00ff"}} {
				client.do("send", peerArgs{"value": v.python})
				got(t, client.do("recv", nil), "bytes", v.text)
			}
			client.do("close", nil)
		})
	}
}

// The original instrument's picture p is cos(x)·sin(y) over [0, p·π].
func TestImageOfTheOriginalInstrument(t *testing.T) {
	_, port := originalServer(t, "serpy/examples/test_serpy2_2_instrumentServer.py")
	url := "serpy2://127.0.0.1:" + port
	for _, p := range []int{1, 3} {
		code, stdout, stderr := runParley(t, "", "image", url, "--ask", fmt.Sprintf("int:%d", p), "-o", "-", "--map", "gray", "--range", "-1,1")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		img, err := png.Decode(strings.NewReader(stdout))
		if err != nil || img.Bounds().Dx() != 512 || img.Bounds().Dy() != 512 {
			t.Fatal(err, img)
		}
		step := float64(p) * math.Pi / 511
		for y := 0; y < 512; y += 73 {
			for x := range 512 {
				want := (math.Cos(float64(x)*step)*math.Sin(float64(y)*step) + 1) * 128
				if level := float64(at(t, img, x, y).R); math.Abs(level-want) > 1 {
					t.Fatalf("pixel %d, %d is %v, want %v", x, y, level, want)
				}
			}
		}
		if !strings.Contains(stderr, "-: 512x512 float32, min -") {
			t.Error(stderr)
		}
	}
	file := filepath.Join(t.TempDir(), "f.npy")
	code, _, stderr := runParley(t, "", "image", url, "--ask", "int:2", "--watch", "-n", "5", "--npy", "-o", file)
	b, err := os.ReadFile(file)
	if code != 0 || err != nil || len(b) != 128+512*512*4 || !bytes.HasPrefix(b, []byte("\x93NUMPY")) {
		t.Errorf("exit code %d, %v, %d bytes: %s", code, err, len(b), stderr)
	}
}

// Originals are measured too; one at a time, as two messages that cross are too
// much for some.
func TestBenchOriginals(t *testing.T) {
	check := func(t *testing.T, what string, args ...string) {
		t.Helper()
		code, stdout, stderr := runParley(t, "", append([]string{"bench"}, args...)...)
		if code != 0 || !strings.Contains(stdout, what) {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	}
	quick := []string{"--duration", "500ms", "--warmup", "0s"}
	for _, folder := range []string{"tinyproto2", "tinyproto3"} {
		t.Run(folder, func(t *testing.T) {
			server := startPython(t, folder, "tinyproto")
			url := fmt.Sprintf("tinyproto://127.0.0.1:%v", server.do("listen", peerArgs{"echo": true}))
			check(t, "all as sent", append(quick, url, "--size", "1000")...)
			check(t, "all as sent", append(quick, url, "--size", "100K", "--conns", "2")...)
			quiet := startPython(t, folder, "tinyproto")
			url = fmt.Sprintf("tinyproto://127.0.0.1:%v", quiet.do("listen", nil))
			check(t, "all confirmed", append(quick, url, "--confirm", "--depth", "8")...)
		})
	}
	t.Run("oneline", func(t *testing.T) {
		server := startPython(t, "oneline", "oneline")
		url := fmt.Sprintf("oneline://127.0.0.1:%v", server.do("listen", peerArgs{"answer": "lambda c: [c]"}))
		check(t, "all as sent", append(quick, url)...)
		check(t, "all as sent", append(quick, url, "--rate", "100")...) // it serves the next client
	})
	t.Run("serpy2", func(t *testing.T) {
		_, port := originalServer(t, "serpy/examples/test_serpy2_1_pingpongServer.py")
		check(t, "all as sent", append(quick, "serpy2://127.0.0.1:"+port, "--size", "10K")...)
	})
	t.Run("serpy", func(t *testing.T) {
		_, port := originalServer(t, "serpy/examples/simpleBroadcast.py")
		check(t, "all confirmed", append(quick, "serpy://127.0.0.1:"+port+"?mode=1", "--confirm", "--type", "text")...)
	})
}
