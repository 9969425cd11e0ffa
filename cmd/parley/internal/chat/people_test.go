package chat

import (
	"fmt"
	"slices"
	"testing"
)

func TestPeople(t *testing.T) {
	var l people
	for _, step := range []struct {
		line, who string
		there     []string
	}{
		{"hello", "", nil},
		{"bob : hi", "bob", []string{"bob"}},
		{"ann: hi", "ann", []string{"ann", "bob"}},
		{"bob: again", "bob", []string{"ann", "bob"}},
		{"[1] **joined the chat", "[1]", []string{"[1]", "ann", "bob"}},
		{"[1] hello", "[1]", []string{"[1]", "ann", "bob"}},
		{"[1] cid: hello", "cid [1]", []string{"ann", "bob", "cid [1]"}},
		{"[1] no name here", "cid [1]", []string{"ann", "bob", "cid [1]"}},
		{"[1] sid: new name", "sid [1]", []string{"ann", "bob", "sid [1]"}},
		{"[2] sid: another", "sid [2]", []string{"ann", "bob", "sid [1]", "sid [2]"}},
		{"[1] **left the chat", "sid [1]", []string{"ann", "bob", "sid [2]"}},
		{"[9] **left the chat", "[9]", []string{"ann", "bob", "sid [2]"}},
		{"[c9fafd5a-b0fe-42de-98c2-01360c5512e6] eve: hi", "eve [c9fafd5a]", []string{"ann", "bob", "eve [c9fafd5a]", "sid [2]"}},
	} {
		if who := l.note(ParseLine(step.line)).label(); step.who != "" && who != step.who {
			t.Errorf("%q: from %q, want %q", step.line, who, step.who)
		}
		if got := l.labels(); !slices.Equal(got, step.there) {
			t.Errorf("after %q: %q, want %q", step.line, got, step.there)
		}
	}
}

func TestPeopleAreBounded(t *testing.T) {
	var l people
	for i := range 2 * maxPeople {
		l.note(Line{Name: "faithful"})
		l.note(Line{Name: fmt.Sprint(i)})
	}
	if len(l) != maxPeople || !slices.Contains(l, person{name: "faithful"}) || slices.Contains(l, person{name: "0"}) {
		t.Errorf("%d people; the first %v, the last %v", len(l), l[0], l[len(l)-1])
	}
}
