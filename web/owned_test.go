package web_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/web"
)

// lab is a bus, and what starts nodes on it.
type lab struct {
	t *testing.T
	m *bus.Memory
}

func (l lab) node(name string) *cluster.Node {
	l.t.Helper()
	b := l.m.Connect()
	l.t.Cleanup(func() { b.Close() })
	n, err := cluster.Start(l.t.Context(), b, cluster.Options{Name: name})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { n.Close(context.Background()) })
	return n
}

// own lets a node have a device, which answers questions, and "all?" twice.
func (l lab) own(n *cluster.Node, device string) *cluster.Owner {
	l.t.Helper()
	o, err := n.Own(device, cluster.OwnerOptions{Do: func(ctx context.Context, _ uint64, m parley.Message) ([]parley.Message, error) {
		switch text := m.Text(); {
		case text == "hang?":
			<-ctx.Done()
			return nil, ctx.Err()
		case text == "fail?":
			return nil, errors.New("it smokes")
		case text == "all?":
			return []parley.Message{parley.Text("one"), parley.Text("two")}, nil
		case strings.HasSuffix(text, "?"):
			return []parley.Message{parley.Text(n.Name() + " got " + text)}, nil
		}
		return nil, nil
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { o.Close(context.Background()) })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, ok := o.Holds(); ok {
			return o
		}
		if time.Now().After(end) {
			l.t.Fatal("nobody has the device")
		}
	}
}

// A page reaches a device that another node has: calls and sends, and hears what this
// door's pages say to it. Where it failed is told, and that nobody has it.
//
// Verifies: WEB-23
func TestOwned(t *testing.T) {
	l := lab{t, new(bus.Memory)}
	far, d := l.node("far"), func() *cluster.Device {
		d, err := l.node("near").Device("psu2")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		return d
	}()
	h := build(t, web.Options{Limits: web.Limits{Call: 3 * time.Second}}, web.NewOwned("psu2", d))
	p := h.open(t)
	refused := func(frame string, want ...string) {
		t.Helper()
		p.say(frame)
		got := p.hear()
		text, _ := got["error"].(string)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %v, want %q", frame, got, w)
			}
		}
	}
	refused(`{"op":"call","ref":1,"to":"psu2","text":"*IDN?"}`, "psu2: ", "no owner now")
	refused(`{"op":"send","ref":1,"to":"psu2","text":"VOLT 5"}`, "psu2: ", "no owner now")
	owner := l.own(far, "psu2")
	p.say(`{"op":"sub","id":4,"ref":2,"to":"psu2"}`)
	p.hear()
	for _, c := range []struct{ frame, want string }{
		{`{"op":"call","ref":3,"to":"psu2","text":"*IDN?"}`, "far got *IDN?"},
		{`{"op":"call","ref":3,"to":"psu2","text":"all?"}`, "one two"},
		{`{"op":"send","ref":3,"to":"psu2","text":"VOLT 5"}`, ""},
		{`{"op":"send","ref":3,"to":"psu2","text":"VOLT?"}`, "far got VOLT?"},
	} {
		p.say(c.frame)
		var heard []string
		for answered, question := false, false; !answered || !question || strings.Join(heard, " ") != c.want; {
			got := p.hear()
			switch {
			case got["error"] != nil:
				t.Fatalf("%s: %v", c.frame, got)
			case got["ref"] != nil:
				if text, is := got["text"]; is && text != strings.Fields(c.want)[0] && text != c.want {
					t.Errorf("%s: %v", c.frame, got)
				}
				answered = true
			case got["dir"] == "c2s":
				question = true
			default:
				heard = append(heard, got["text"].(string))
			}
		}
	}
	p.say(`{"op":"unsub","id":4,"ref":5}`)
	p.hear()
	refused(`{"op":"call","ref":3,"to":"psu2","text":"VOLT 6"}`, "it was sent, and has no answer")
	refused(`{"op":"call","ref":3,"to":"psu2","text":"fail?"}`, "on node far: it smokes")
	refused(`{"op":"call","ref":3,"to":"psu2","text":"hang?","timeout":0.2}`, "no answer within ", "it may have arrived", "on node far")
	p.say(`{"op":"nodes","ref":9}`)
	if got, _ := p.hear()["nodes"].([]any); len(got) == 0 {
		t.Error("no nodes")
	}
	owner.Close(context.Background())
	refused(`{"op":"call","ref":3,"to":"psu2","text":"*IDN?"}`, "no owner now")
	l.own(l.node("next"), "psu2")
	p.say(`{"op":"call","ref":4,"to":"psu2","text":"*IDN?"}`)
	if got := p.hear(); got["text"] != "next got *IDN?" {
		t.Errorf("its next owner: %v", got)
	}
}

// An owner that does not answer holds up nothing else, and what a user may do counts for
// a device of another node too.
//
// Verifies: WEB-05, WEB-23
func TestOwnedScopes(t *testing.T) {
	l := lab{t, new(bus.Memory)}
	l.own(l.node("far"), "psu2")
	d, err := l.node("near").Device("psu2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	token, anna := web.NewToken("anna", web.Grant{"psu2": web.Read})
	other, ben := web.NewToken("ben", web.Grant{"psu2": web.Send | web.Read})
	h := build(t, web.Options{Users: web.Users{anna, ben}}, web.NewOwned("psu2", d))
	in := func(token string) *page {
		p, err := h.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.say(`{"op":"hello","token":"` + token + `"}`)
		targets, _ := p.hear()["targets"].([]any)
		if len(targets) != 1 || targets[0].(map[string]any)["kind"] != "device" {
			t.Errorf("targets: %v", targets)
		}
		return p
	}
	p := in(token)
	p.say(`{"op":"call","ref":1,"to":"psu2","text":"*IDN?"}`)
	if got := p.hear(); got["error"] != "you may not send psu2" {
		t.Errorf("anna: %v", got)
	}
	p.say(`{"op":"nodes","ref":1}`)
	if got := p.hear(); got["error"] == nil {
		t.Errorf("anna: %v", got)
	}
	p = in(other)
	p.say(`{"op":"send","ref":1,"to":"psu2","text":"hang?"}`)
	p.say(`{"op":"ping","ref":2}`)
	if got := p.hear(); got["op"] != "pong" {
		t.Errorf("ben: %v", got)
	}
}
