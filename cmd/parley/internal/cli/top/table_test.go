package top

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/monitor"
)

// The table fits 80 characters, uses 200, and has names only where there are some.
func TestTopTable(t *testing.T) {
	rows := []monitor.Row{
		{ID: "1", Address: "127.0.0.1:40001", Proto: "tinyproto", TLS: true, AgeSeconds: 86400 * 3, Counts: monitor.Counts{MessagesIn: 1234567, MessagesOut: 7654321, BytesIn: 5 << 30, BytesOut: 1 << 20, Pending: 1 << 20}, Last: "< text " + strings.Repeat("x", 300)},
		{ID: "2.17", Address: "[2001:db8:1234:5678::7]:40002", Proto: "serpy2", Counts: monitor.Counts{MessagesIn: 3, BytesIn: 100}},
	}
	for width, want := range map[int][]string{
		anyWidth: {"ID ADDRESS PROTOCOL AGE IDLE IN OUT IN/s OUT/s PENDING LAST"},
		80:       {"ID ADDRESS", "LAST"},
		200:      {"ID ADDRESS PROTOCOL AGE IDLE IN OUT IN/s OUT/s BYTES IN BYTES OUT IN B/s OUT B/s PENDING LOST LAST"},
	} {
		head := topTable(rows, width)[0]
		words := strings.Join(strings.Fields(head), " ")
		for _, w := range want {
			if !strings.Contains(words, w) {
				t.Errorf("%d: %q, want %q in it", width, words, w)
			}
		}
		if at := len([]rune(head[:strings.Index(head, "LAST")])); width != anyWidth && at > width-leastLast {
			t.Errorf("%d: the last message begins at %d", width, at)
		}
		if strings.Contains(words, "NAME") {
			t.Errorf("%d: %q, and no connection has a name", width, words)
		}
	}
	rows[1].Name = "ann"
	if head := topTable(rows, 200)[0]; !strings.Contains(head, "NAME") {
		t.Error(head)
	}
	if got, want := topTotals(rows), "2 open  in 1234570 (0.0/s, 5.0 GiB)  out 7654321 (0.0/s, 1.0 MiB)  pending 1.0 MiB"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
