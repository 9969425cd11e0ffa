package replay

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy2"
)

// With --any-order the n-th answer belongs to the n-th question where their numbers
// and places allow it; where not, that is told.
//
// Verifies: RECORD-02
func TestPairsOfAnyOrder(t *testing.T) {
	scpi := line.SCPI()
	for _, c := range []struct {
		proto  parley.Protocol
		talk   string
		want   string // each question with its answers
		doubts int
	}{
		{serpy2.Protocol{}, "!a 1 !b 2", "a=1 b=2", 0},
		{serpy2.Protocol{}, "!a !b !c 1 2 3", "a=1 b=2 c=3", 0},
		{serpy2.Protocol{}, "!a !b 1 !c 2 3", "a=1 b=2 c=3", 0},
		{serpy2.Protocol{}, "!a !b 1 !a !c 2 3 4", "a=1 b=2 a=3 c=4", 0},
		{serpy2.Protocol{}, "!a 1 2 3 !b 4", "a=1,2,3 b=4", 0},
		{serpy2.Protocol{}, "!a 1 2 !b", "a=1,2 b=", 0}, // two and two, but no answer comes before its question
		{serpy2.Protocol{}, "!a 1 2 !b !c 3 4", "a=1,2 b=3 c=4", 0},
		{serpy2.Protocol{}, "hello !a !b 1 2", "a=1 b=2", 0},
		{serpy2.Protocol{}, "!a !b", "a= b=", 0},
		{serpy2.Protocol{}, "!a !b 1", "a= b=1", 1},
		{serpy2.Protocol{}, "!a !b 1 2 3 !c 4 !d !e !f 5 6", "a= b=1,2,3 c=4 d= e= f=5,6", 2},
		{scpi, "!*RST !a? !VOLT !b? 1 2 !*CLS", "*RST= a?=1 VOLT= b?=2 *CLS=", 0},
		{scpi, "!*RST !a? 1 2 !b? 3", "*RST= a?=1,2 b?=3", 0},
		{scpi, "!odd 1", "odd=1", 0}, // what is no question, but was answered
		{scpi, "!*RST !a? !b? 1", "*RST= a?= b?=1", 1},
	} {
		s := talk(t, c.proto, c.talk)
		p := newAnyOrder(s, false)
		var got []string
		for _, x := range p.exchanges {
			var answers []string
			for _, st := range x.answers {
				answers = append(answers, string(output.Payload(st.value)))
			}
			got = append(got, string(output.Payload(x.request.value))+"="+strings.Join(answers, ","))
		}
		if got := strings.Join(got, " "); got != c.want || len(p.doubts) != c.doubts {
			t.Errorf("%s: %s and %d doubts, want %s and %d", c.talk, got, len(p.doubts), c.want, c.doubts)
		}
		var told bytes.Buffer
		p.tellDoubts(&told)
		if n := strings.Count(told.String(), "\n"); n != c.doubts || c.doubts > 0 && !strings.HasPrefix(told.String(), "parley: -:") {
			t.Errorf("%s: told %q", c.talk, told.String())
		}
	}
	s := talk(t, serpy2.Protocol{}, strings.Repeat("!a !b 1 ", 100))
	var told bytes.Buffer
	newAnyOrder(s, false).tellDoubts(&told)
	if n := strings.Count(told.String(), "\n"); n != 11 || !strings.HasSuffix(told.String(), "parley: and at 90 more places\n") {
		t.Errorf("told %d lines: %s", n, told.String())
	}
}

// talk is a recording in short: "q a b" is a question and two answers, "!" in front
// marks what a client asked.
func talk(t *testing.T, p parley.Protocol, words string) *session {
	t.Helper()
	var b bytes.Buffer
	for _, w := range strings.Fields(words) {
		dir := recording.ToClient
		if text, ok := strings.CutPrefix(w, "!"); ok {
			dir, w = recording.ToServer, text
		}
		fmt.Fprintf(&b, `{"dir":%q,"text":%q}`+"\n", dir, w)
	}
	a := app.New("devel", &b, io.Discard, io.Discard)
	a.Log = app.NewLogger(io.Discard, slog.LevelWarn, app.LogText)
	s, err := readSession(t.Context(), a, "-", p, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
