package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A recorded banner and prompt are played, byte for byte.
//
// Verifies: RECORD-03
func TestReplayedBannerAndPrompt(t *testing.T) {
	const file = `{"conn":1,"event":"open","proto":"line","prompt":"> ","note":"Welcome\nto this"}
{"conn":1,"dir":"c2s","text":"ls"}
{"conn":1,"dir":"s2c","text":"a\r\nb"}
{"conn":1,"dir":"c2s","text":"cls"}
{"conn":1,"dir":"s2c","text":""}
`
	name := filepath.Join(t.TempDir(), "s.jsonl")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--any-order"}, {"--loop"}, {"--together"}} {
		r := startInside(t, true, append([]string{"replay", name, "--as-server", "line://127.0.0.1:0"}, more...)...)
		nc, err := net.Dial("tcp", r.addr())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(patience))
		for _, step := range []struct{ say, hear string }{{"", "Welcome\nto this\n> "}, {"ls\n", "a\r\nb\n> "}, {"cls\n", "> "}} {
			io.WriteString(nc, step.say)
			got := make([]byte, len(step.hear))
			if _, err := io.ReadFull(nc, got); err != nil || string(got) != step.hear {
				t.Errorf("%v: %q is answered %q, want %q (%v)", more, step.say, got, step.hear, err)
			}
		}
		nc.Close()
		if len(more) == 0 || more[0] != "--loop" {
			r.end(0)
		}
	}
}
