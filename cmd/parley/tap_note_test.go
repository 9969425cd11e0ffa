package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/pcapng/pcapngtest"
)

// What is said stands in the capture too, decoded, as the comment of the packet that
// completes it; a packet with many messages has some of them.
//
// Verifies: FIRST-04
func TestTapComments(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.pcapng")
	srv := startInside(t, true, "serve", "serpy2://127.0.0.1:0", "--echo")
	tap := startInside(t, true, "tap", "serpy2://127.0.0.1:0", srv.addr(), "-n", "1", "--pcapng", name)
	lines := strings.Repeat("5\n", 400)
	if code, out, errs := runParley(t, lines, "send", tap.url, "--lines", "--type", "int", "-n", "400"); code != 0 || out != lines {
		t.Fatalf("exit code %d, %.100q, %s", code, out, errs)
	}
	tap.end(0)
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	packets, _ := pcapngtest.Read(t, file)
	said := make(map[string]int)
	for _, p := range packets {
		if len(p.Comments) > 33 { // 32, and how many more there are
			t.Errorf("%d comments at one packet", len(p.Comments))
		}
		for _, c := range p.Comments {
			said[c]++
		}
	}
	if said["serpy2 > int:5"] == 0 || said["serpy2 < int:5"] == 0 {
		t.Errorf("the comments are %v", fmt.Sprint(said))
	}
}
