package tap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
)

// On oneline every line is an item: what was said is what stands on the wire.
func TestOnelineTranscripts(t *testing.T) {
	for _, tr := range recorded.Load(t, "oneline") {
		if len(tr.Steps) == 0 {
			continue
		}
		t.Run(tr.Name, func(t *testing.T) {
			for conn, l := range overheard(t, tr, oneline.Protocol{}) {
				if tr.Name == "connect_wrong_greeting" && conn == 0 {
					if got := l.String(); !strings.Contains(got, `<stopped`) || !strings.Contains(got, `"nope"`) {
						t.Errorf("overheard %s", got)
					}
					continue
				}
				client := lines(tr.Stream(conn, wire.Dialing))
				want := client
				if len(want) > 0 && want[0] == ping {
					want = want[1:] // the greeting
				}
				var got []string
				left := false
				for _, i := range l.items {
					switch {
					case i.From != wire.Dialing:
					case i.Kind == Message:
						got = append(got, string(i.Message.Bytes()))
					case i.Kind == Leave:
						got, left = append(got, "disconnect"), true
					case i.Kind == Shutdown:
						got, left = append(got, "shutdown"), true
					}
				}
				if left && len(want) > len(got) {
					want = want[:len(got)] // what follows a farewell is ignored
				}
				for i, line := range want { // bytes 80 to FF do not hide a reserved word
					if word := ascii(line); word == ping || word == "disconnect" {
						want[i] = word
					}
				}
				if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
					t.Errorf("connection %d: the client said %.300q, want %.300q", conn, got, want)
				}
				want = lines(tr.Stream(conn, wire.Accepting))
				if len(want) > 0 && strings.TrimSpace(want[0]) == pong && len(client) > 0 && client[0] == ping {
					want = want[1:]
				}
				got = nil
				for _, m := range l.messages(wire.Accepting) {
					got = append(got, string(m.Bytes()))
				}
				if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
					t.Errorf("connection %d: the server said %.300q, want %.300q", conn, got, want)
				}
			}
		})
	}
}

// lines returns the whole lines of a stream.
func lines(stream []byte) []string {
	all := strings.Split(string(stream), "\n")
	return all[:len(all)-1]
}

func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return -1
		}
		return r
	}, s)
}
