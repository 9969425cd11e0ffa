package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
)

func names(n *cluster.Node) string {
	synctest.Wait()
	var all []string
	for _, info := range n.Nodes() {
		all = append(all, info.Name)
	}
	return strings.Join(all, " ")
}

// A node that leaves is gone at once, one that dies within 15 s; until then it is named as
// silent, and its name is free at once for its next process.
//
// Verifies: ROOM-06
func TestNodesComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := start(t, connect(t, m), "a")
		b := start(t, connect(t, m), "b")
		dying := m.Connect()
		c := start(t, dying, "c")
		for _, n := range []*cluster.Node{a, b, c} {
			enter(t, n, "r")
		}
		settle()
		if got := names(a); got != "a b c" {
			t.Fatal(got)
		}
		begun := time.Now()
		b.Close(t.Context())
		if got := names(a); got != "a c" || time.Since(begun) > time.Second {
			t.Errorf("after Close: %s", got)
		}
		dying.Close()
		time.Sleep(9 * time.Second)
		if _, silent := a.Who(t.Context(), "r"); len(silent) != 1 || silent[0] != "c" {
			t.Errorf("silent: %v", silent)
		}
		time.Sleep(6 * time.Second)
		if got := names(a); got != "a" {
			t.Errorf("15 s after its death: %s", got)
		}
		again := start(t, connect(t, m), "c")
		if got := names(a); got != "a c" {
			t.Errorf("then: %s", got)
		}
		if _, err := cluster.Start(t.Context(), connect(t, m), cluster.Options{Name: "c"}); !errors.Is(err, cluster.ErrNameTaken) {
			t.Errorf("a second c: %v", err)
		}
		again.Close(t.Context())
	})
}

// A process that died and is back a moment later has its name.
//
// Verifies: ROOM-06
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := start(t, connect(t, m), "a")
		r := enter(t, a, "r")
		_, h := receive(t, r, cluster.ReceiveOptions{})
		dying := m.Connect()
		first := enter(t, start(t, dying, "c"), "r")
		settle()
		first.Publish(t.Context(), parley.Text("1"))
		first.Publish(t.Context(), parley.Text("2"))
		settle()
		dying.Close()
		second := enter(t, start(t, connect(t, m), "c"), "r")
		second.Publish(t.Context(), parley.Text("3"))
		if got, missed := h.texts(); strings.Join(got, "") != "123" || missed != 0 {
			t.Errorf("got %v, %d missed", got, missed)
		}
	})
}

// Any node ends a connection of any other, with a reason, and has its address refused.
//
// Verifies: ROOM-06
func TestKill(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a, b := start(t, connect(t, m), "a"), start(t, connect(t, m), "b")
		room := enter(t, b, "r")
		enter(t, a, "r")
		var reason error
		leave := room.Enter(cluster.Member{ID: "w1", Peer: "192.0.2.7:1234"}, func(err error) { reason = err })
		srv := &parley.Server{Protocol: tinyproto.Protocol{}}
		room.Attach(srv, cluster.Attachment{})
		c, _ := parleytest.Pipe(t, srv, nil)
		settle()
		who, _ := a.Who(t.Context(), "r")
		if len(who) != 2 {
			t.Fatalf("%+v", who)
		}
		for _, bad := range []string{"", "b", "/1", "b/", "b/9.9"} {
			if err := a.Kill(t.Context(), bad, "", 0); err == nil {
				t.Errorf("Kill %q", bad)
			}
		}
		if err := a.Kill(t.Context(), "nobody/1", "", 0); !errors.Is(err, cluster.ErrNoNode) {
			t.Error(err)
		}
		if err := a.Kill(t.Context(), "b/9.9", "", 0); !errors.Is(err, cluster.ErrNoConn) {
			t.Error(err)
		}
		if err := a.Kill(t.Context(), "b/w1", "too loud", time.Minute); err != nil || !errors.Is(reason, cluster.ErrKilled) || !strings.Contains(reason.Error(), "too loud") {
			t.Errorf("%v, reason %v", err, reason)
		}
		if !b.Banned("192.0.2.7:99") || b.Banned("192.0.2.8:99") || a.Banned("192.0.2.7") {
			t.Error("the ban is not that of one address at one node")
		}
		time.Sleep(time.Minute + 1)
		if b.Banned("192.0.2.7") {
			t.Error("the ban does not end")
		}
		leave()
		for _, w := range who {
			if w.ID != "w1" {
				if err := a.Kill(t.Context(), w.Node+"/"+w.ID, "enough", 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := c.Receive(context.Background()); err == nil {
			t.Error("the connection lives")
		}
	})
}

// A node whose bus is away serves those here, and joins the others when it is there.
//
// Verifies: CLUSTER-03
func TestStartsAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		l := connect(t, m)
		l.set(true, 0)
		a, b := start(t, l, "a"), start(t, connect(t, m), "b")
		r := enter(t, a, "x")
		_, h := receive(t, r, cluster.ReceiveOptions{})
		if err := r.Publish(t.Context(), parley.Text("alone")); !errors.Is(err, bus.ErrNoBus) {
			t.Errorf("publishing: %v", err)
		}
		if got, _ := h.texts(); !slices.Equal(got, []string{"alone"}) {
			t.Errorf("those here heard %q", got)
		}
		time.Sleep(time.Minute)
		if n := len(b.Nodes()); n != 1 {
			t.Errorf("%d nodes are there", n)
		}
		l.set(false, 0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(b.Nodes()); n != 2 {
			t.Errorf("%d nodes are there", n)
		}
	})
}

// An observer sees all and asks all, and nobody sees it.
//
// Verifies: CLUSTER-14
func TestObserver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := start(t, connect(t, m), "a.b *")
		enter(t, a, "x").Enter(cluster.Member{ID: "7", Peer: "192.0.2.1:5"}, func(error) {})
		settle()
		o, err := cluster.Start(t.Context(), connect(t, m), cluster.Options{Observer: true})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close(context.Background())
		if all := o.Nodes(); len(all) != 1 || all[0].Name != "a.b *" || all[0].Rooms["x"].Members != 1 {
			t.Errorf("it sees %+v", all)
		}
		if who, silent := o.Who(t.Context(), "x"); len(who) != 1 || who[0].ID != "7" || who[0].Room != "x" || len(silent) > 0 {
			t.Errorf("who: %+v, silent %q", who, silent)
		}
		if err := o.Kill(t.Context(), "a.b */8", "", 0); !errors.Is(err, cluster.ErrNoConn) {
			t.Errorf("kill: %v", err)
		}
		if _, err := o.Room("x", cluster.RoomOptions{}); err == nil {
			t.Error("it enters a room")
		}
		if all := a.Nodes(); len(all) != 1 {
			t.Errorf("it is seen: %+v", all)
		}
	})
}

// A node that is silent is stale, not gone: whoever asks who is there is told of its members as
// it had told of them, until its entry has ended. The same with a bus that is away, for
// as long as it is.
//
// Verifies: ROOM-07
func TestStale(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		l := connect(t, m)
		a := start(t, l, "a")
		enter(t, a, "r")
		dying := m.Connect()
		room := enter(t, start(t, dying, "c.1"), "r")
		room.Enter(cluster.Member{ID: "w1", Peer: "192.0.2.7:1234", Name: "anna"}, func(error) {})
		settle()
		look := func(when string, want cluster.Member, silent bool) {
			t.Helper()
			who, quiet := a.Who(t.Context(), "r")
			if (len(quiet) == 1) != silent || len(who) != 1 || who[0] != want {
				t.Errorf("%s: %+v, silent %q", when, who, quiet)
			}
			if info := a.Nodes(); len(info) != 2 || info[1].Stale != want.Stale || info[0].Stale {
				t.Errorf("%s: %+v", when, info)
			}
		}
		anna := cluster.Member{Node: "c.1", Room: "r", ID: "w1", Peer: "192.0.2.7:1234", Name: "anna"}
		look("at first", anna, false)
		l.cut(true)
		anna.Stale = true
		look("with the bus away", anna, true)
		l.cut(false)
		anna.Stale = false
		look("with the bus there again", anna, false)
		dying.Close()
		anna.Stale = true
		look("when it is silent", anna, true)
		if err := a.Kill(t.Context(), "c.1/w1", "", 0); !errors.Is(err, cluster.ErrNoNode) {
			t.Errorf("kill: %v", err)
		}
		if who, _ := a.Who(t.Context(), "elsewhere"); len(who) != 0 {
			t.Errorf("in another room: %+v", who)
		}
		time.Sleep(11 * time.Second)
		if who, silent := a.Who(t.Context(), ""); len(a.Nodes()) == 2 && (len(who) != 1 || len(silent) != 1) {
			t.Errorf("later: %+v, %q", who, silent)
		}
		time.Sleep(4 * time.Second)
		if who, silent := a.Who(t.Context(), "r"); len(who)+len(silent) != 0 || len(a.Nodes()) != 1 {
			t.Errorf("15 s behind its last word: %+v, %q", who, silent)
		}
	})
}

// Who nobody has asked is stale too when two of its words are missing.
//
// Verifies: ROOM-07
func TestStaleByAge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := start(t, connect(t, m), "a")
		dying := m.Connect()
		start(t, dying, "b")
		settle()
		dying.Close()
		stale := func() bool {
			all := a.Nodes()
			return len(all) == 2 && all[1].Stale
		}
		time.Sleep(4 * time.Second)
		if stale() {
			t.Error("it is stale at once")
		}
		time.Sleep(7 * time.Second)
		if !stale() {
			t.Error("it is not stale after 11 s")
		}
	})
}
