package device

import (
	"testing"
	"time"

	"github.com/parley-net/parley/wire"
)

// Greeting, prompt, echo, and what is said from time to time.
//
// Verifies: DEVICE-10
func TestUnasked(t *testing.T) {
	def := read(t, `
greeting = ["ACME", "ready"]
prompt = "${n}> "
echo = true
[state]
n = 1
[[reply]]
request = "a"
response = "b"
add = { n = 1 }
[[every]]
interval = "1s"
response = "tick ${n}"
`)
	s := New(def, Config{Began: epoch, Typed: typed}).Session()
	greeting := s.Greeting(epoch)
	if got := said(Reply{Answers: greeting}); got != "ACME\nready\n1> " || !greeting[2].Open || greeting[1].Open {
		t.Errorf("greeting %q", got)
	}
	r := s.Answer(wire.Text("a"), epoch)
	if got := said(r); got != "a\nb\n2> " || !r.Answers[2].Open {
		t.Errorf("answer %q", got)
	}
	now := epoch
	for i, want := range []string{"", "tick 2", "tick 2"} {
		out, next := s.Due(now)
		if got := said(Reply{Answers: out}); got != want || next.Sub(now) != time.Second {
			t.Errorf("%d: %q, next after %v", i, got, next.Sub(now))
		}
		now = next
	}
}

// The state of a device that is read again.
//
// Verifies: DEVICE-12
func TestReload(t *testing.T) {
	const file = `
[state]
kept = 1
gone = 1
typed = 1
[[reply]]
request = "get"
response = "${kept} ${typed}"
[[reply]]
prefix = "set "
set = { kept = "${rest}", typed = "${rest}" }
`
	dev := New(read(t, file), Config{Typed: typed})
	s := dev.Session()
	talk(t, s, "set 7 =>\nget => 7 7")
	dev.Reload(read(t, `
[state]
kept = 2
new = "n"
[state.typed]
value = 3
max = 5
[[reply]]
request = "get"
response = "${kept} ${typed} ${new}!"
`))
	talk(t, s, "get => 7 3 n!")
}

// Verifies: DEVICE-13
func TestOwnState(t *testing.T) {
	file := "[state]\nn = 0\n[[reply]]\nrequest = 'x'\nadd = { n = 1 }\nresponse = '${n}'\n"
	shared := New(read(t, file), Config{Typed: typed})
	a, b := shared.Session(), shared.Session()
	if got := a.ask("x") + b.ask("x") + a.ask("x"); got != "123" {
		t.Errorf("shared: %s", got)
	}
	own := New(read(t, "clients = { state = 'own', max = 2 }\n"+file), Config{Typed: typed})
	a, b = own.Session(), own.Session()
	if got := a.ask("x") + b.ask("x") + a.ask("x"); got != "112" {
		t.Errorf("own: %s", got)
	}
	if own.def.MaxClients() != 2 {
		t.Error("max is lost")
	}
}
