package recorded

import (
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/toy"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// toyTranscript has a held body, a message behind a race, two connections, a
// close and a reset.
func toyTranscript() Transcript {
	a, b := toy.Message(3), toy.Message(210)
	return Transcript{Name: "toy", Steps: []Step{
		{From: wire.Dialing, Bytes: a},
		{From: wire.Accepting, Bytes: []byte{toy.OK, 3}, Race: true},
		{From: wire.Accepting, Bytes: a[1:]},
		{From: wire.Dialing, Bytes: []byte{toy.OK}},
		{From: wire.Dialing, Bytes: b[:1]},
		{From: wire.Accepting, Bytes: []byte{toy.Grant}},
		{From: wire.Dialing, Bytes: b[1:]},
		{From: wire.Accepting, Bytes: []byte{toy.OK}},
		{From: wire.Dialing, Event: "fin"},
		{Conn: 1, From: wire.Dialing, Bytes: a},
		{Conn: 1, From: wire.Accepting, Bytes: append([]byte{toy.OK}, a...)},
		{Conn: 1, From: wire.Dialing, Bytes: []byte{toy.OK}},
		{Conn: 1, From: wire.Dialing, Event: "rst"},
	}}
}

func toyPlays() (dialing, accepting Play) {
	one, two := Send(wire.Bytes(toy.Bytes(3))), Send(wire.Bytes(toy.Bytes(210)))
	dialing = Play{Protocol: toy.Protocol{}, Role: wire.Dialing, Do: map[int][]Action{0: {one, two, Close()}, 1: {one}}}
	accepting = Play{Protocol: toy.Protocol{}, Role: wire.Accepting, Do: map[int][]Action{0: {one}, 1: {one}}}
	return dialing, accepting
}

func TestPlay(t *testing.T) {
	dialing, accepting := toyPlays()
	accepting.Run(t, toyTranscript())
	dialing.Check = func(t *testing.T, tr Transcript, conns []*wiretest.Driver) {
		if tr.Name != "toy" || len(conns) != 2 || conns[0].Count(wire.EventConfirmed) != 2 || conns[1].Conn != 1 {
			t.Errorf("connections %v", conns)
		}
	}
	dialing.Run(t, toyTranscript())
}

func TestPlayFindsWhatDiffers(t *testing.T) {
	for what, change := range map[string]func(p *Play, tr *Transcript){
		"a missing action": func(p *Play, tr *Transcript) { p.Do[1] = nil },
		"one too many":     func(p *Play, tr *Transcript) { p.Do[0] = append(p.Do[0], p.Do[1]...) },
		"another byte":     func(p *Play, tr *Transcript) { tr.Steps[4].Bytes = []byte{209} },
		"a byte less":      func(p *Play, tr *Transcript) { tr.Steps[6].Bytes = tr.Steps[6].Bytes[1:] },
		"a step less":      func(p *Play, tr *Transcript) { tr.Steps = append(tr.Steps[:11], tr.Steps[12:]...) },
		"no steps":         func(p *Play, tr *Transcript) { tr.Steps = nil },
	} {
		p, _ := toyPlays()
		tr := toyTranscript()
		change(&p, &tr)
		if toy.Fails(func(tb testing.TB) { p.play(tb, tr, (*wiretest.Driver).Feed) }) == "" {
			t.Errorf("%s was not found", what)
		}
	}
}

func TestClassifiedFindsGaps(t *testing.T) {
	all := []Transcript{toyTranscript(), {Name: "api"}}
	plays := []Play{{Protocol: toy.Protocol{}}}
	test := func(*testing.T, Transcript) {}
	for _, c := range []struct {
		cases map[string]Case
		want  []string
	}{
		{map[string]Case{"toy": {Plays: plays}, "api": {NoBytes: "x"}}, nil},
		{map[string]Case{"toy": {Defect: "x", Test: test}, "api": {NoBytes: "x"}}, nil},
		{map[string]Case{"toy": {Plays: plays}}, []string{"api is not classified"}},
		{map[string]Case{"toy": {}, "api": {NoBytes: "x"}}, []string{"nothing is tested"}},
		{map[string]Case{"toy": {Defect: "x"}, "api": {NoBytes: "x"}}, []string{"a defect needs"}},
		{map[string]Case{"toy": {Plays: plays, Test: test}, "api": {NoBytes: "x"}}, []string{"a defect needs"}},
		{map[string]Case{"toy": {NoBytes: "x"}, "api": {NoBytes: "x"}}, []string{"not about bytes"}},
		{map[string]Case{"toy": {Plays: plays}, "api": {NoBytes: "x"}, "other": {}}, []string{"no transcript other"}},
	} {
		got := classified(all, c.cases)
		if !slices.EqualFunc(got, c.want, strings.Contains) {
			t.Errorf("%v: complaints %q, want %q", c.cases, got, c.want)
		}
	}
}
