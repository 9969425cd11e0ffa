package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listens starts parley and returns where it listens.
func listens(t *testing.T, args ...string) (url, addr string) {
	t.Helper()
	p := beside(t, args...)
	found, err := p.stderr.await(ready)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	_, addr, _ = strings.Cut(found[1], "://")
	return found[1], addr
}

// A client that ends its stream at once gets all that is due, however late: of a
// device that takes its time, through a tap, through a bridge, and of a replay.
//
// Verifies: EXEC-06
func TestHalfClosedClient(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	device := write("device.toml", "[[reply]]\nrequest = \"a\"\ndelay = \"1s\"\nresponse = [\"first\", { text = \"second\", delay = \"500ms\" }]\n\n[[reply]]\nrequest = \"b\"\ndelay = \"500ms\"\nresponse = \"third\"\n")
	session := write("session.jsonl", `{"ts":0,"dir":"c2s","text":"a"}
{"ts":0,"dir":"c2s","text":"b"}
{"ts":1,"dir":"s2c","text":"first"}
{"ts":2,"dir":"s2c","text":"second"}
{"ts":2.5,"dir":"s2c","text":"third"}
`)
	for _, scheme := range []string{"line", "oneline", "tinyproto"} {
		local := scheme + "://127.0.0.1:0"
		says, want := saidBy(scheme, []string{"a", "b"}, []string{"first", "second", "third"})
		var ahead []string
		if scheme == "tinyproto" {
			ahead = []string{"--ahead"} // taking turns needs the client's consent, which can't come any more
		}
		for name, start := range map[string]func(t *testing.T) string{
			"device": func(t *testing.T) string {
				_, addr := listens(t, "serve", local, "--replies", device)
				return addr
			},
			"tap": func(t *testing.T) string {
				url, _ := listens(t, "serve", local, "--replies", device)
				_, addr := listens(t, "tap", local, url)
				return addr
			},
			"bridge": func(t *testing.T) string {
				url, _ := listens(t, "serve", "line://127.0.0.1:0", "--replies", device)
				_, addr := listens(t, append([]string{"bridge", local, url}, ahead...)...)
				return addr
			},
			"bridge to oneline": func(t *testing.T) string {
				url, _ := listens(t, "serve", "oneline://127.0.0.1:0", "--replies", device)
				_, addr := listens(t, append([]string{"bridge", local, url}, ahead...)...)
				return addr
			},
			"replay": func(t *testing.T) string {
				_, addr := listens(t, "replay", session, "--as-server", local, "--speed", "1")
				return addr
			},
		} {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				nc := rawClient(t, start(t), says)
				nc.CloseWrite()
				if got := readToEnd(t, nc); normal(scheme, got) != normal(scheme, want) {
					t.Errorf("heard %q, want %q", got, want)
				}
			})
		}
	}
}

// A target that answers only behind the end of the stream answers through a bridge.
//
// Verifies: LIMITS-04
func TestBridgePassesTheEnd(t *testing.T) {
	for _, to := range []string{"line://127.0.0.1:0", "serpy2://127.0.0.1:0", "frame://127.0.0.1:0?size=u16be&strip=2"} {
		for _, scheme := range []string{"line", "tinyproto"} {
			t.Run(scheme+" to "+to, func(t *testing.T) {
				url, _ := listens(t, "serve", to, "--exec", "sort")
				args := []string{"bridge", scheme + "://127.0.0.1:0", url}
				if scheme == "tinyproto" {
					args = append(args, "--ahead")
				}
				_, addr := listens(t, args...)
				says, want := saidBy(scheme, []string{"b", "c", "a"}, []string{"a", "b", "c"})
				nc := rawClient(t, addr, says)
				nc.CloseWrite()
				if got := readToEnd(t, nc); normal(scheme, got) != normal(scheme, want) {
					t.Errorf("heard %q, want %q", got, want)
				}
			})
		}
	}
}

// normal leaves out tinyproto's statuses, which may stand anywhere between messages.
func normal(scheme, heard string) string {
	if scheme == "tinyproto" {
		return strings.ReplaceAll(heard, "\xff", "")
	}
	return heard
}
