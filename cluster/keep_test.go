package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// kept is what a Take has kept.
type kept struct {
	mu   sync.Mutex
	all  []cluster.Kept
	most int // it takes no more than so many; 0: all
}

func (k *kept) take(all []cluster.Kept) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, one := range all {
		if k.most > 0 && len(k.all) == k.most {
			return i
		}
		k.all = append(k.all, one)
	}
	return len(all)
}

func (k *kept) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var s []string
	for _, one := range k.all {
		if missed := (*cluster.MissedError)(nil); errors.As(one.Err, &missed) {
			s = append(s, fmt.Sprintf("(%d of %s)", missed.Count, one.Node))
			continue
		}
		s = append(s, one.Node+":"+one.Message.Text())
	}
	return strings.Join(s, " ")
}

// taking has r take until the returned function is called.
func taking(t *testing.T, r *cluster.Room, k *kept) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Take(ctx, k.take) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	synctest.Wait()
	time.Sleep(time.Second) // the others are told
	synctest.Wait()
	return stop
}

func say(t *testing.T, r *cluster.Room, texts ...string) {
	t.Helper()
	for _, s := range texts {
		r.Publish(t.Context(), parley.Text(s))
		synctest.Wait() // what is said together is one entry of the log
	}
}

// What is said in a room is kept as soon as somebody takes, on all nodes, those that come
// later too; who takes next goes on where the last one has ended, on whichever node; one at a
// time does. When nobody takes any more nothing is kept.
//
// Verifies: CLUSTER-24
func TestKeptInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a, b := enter(t, start(t, connect(t, m), "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		say(t, a, "before")
		first, second := &kept{}, &kept{}
		stopFirst := taking(t, a, first)
		stopSecond := taking(t, b, second)
		say(t, a, "1")
		say(t, b, "2")
		if who, err := b.Taker(t.Context()); who != "a" || err != nil {
			t.Errorf("%q takes, %v", who, err)
		}
		c := enter(t, start(t, connect(t, m), "c"), "r")
		time.Sleep(time.Second)
		say(t, c, "3")
		stopFirst()
		say(t, c, "4")
		say(t, a, "5")
		time.Sleep(time.Second)
		synctest.Wait()
		if s := first.String() + " | " + second.String(); s != "a:1 b:2 c:3 | c:4 a:5" {
			t.Error(s)
		}
		stopSecond()
		time.Sleep(time.Second)
		say(t, a, "nobody keeps this")
		third := &kept{most: 1}
		stopThird := taking(t, c, third)
		say(t, a, "6", "7")
		time.Sleep(time.Second)
		stopThird()
		fourth := &kept{}
		taking(t, a, fourth)
		if s := third.String() + " | " + fourth.String(); s != "a:6 | a:7" {
			t.Error(s)
		}
		if st := a.Stats(); st.Kept != 4 || st.Unkept != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Who wants a room kept waits for a node that has just come too: its entry in the registry
// is there before its rooms are in it.
//
// Verifies: CLUSTER-24
func TestKeptByWhoHasJustCome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		b := enter(t, start(t, connect(t, m), "b"), "r")
		settle()
		a := enter(t, start(t, connect(t, m), "a"), "r")
		k := &kept{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- b.Take(ctx, k.take) }()
		if nodes := b.Unkept(t.Context()); len(nodes) > 0 {
			t.Errorf("%q do not keep", nodes)
		}
		say(t, a, "1")
		settle()
		if s := k.String(); s != "a:1" {
			t.Errorf("kept %q", s)
		}
		cancel()
		<-ended
	})
}

// A room that is to be kept is from its first message on; whoever wants it goes on wanting it
// when a Take ends.
//
// Verifies: CLUSTER-24
func TestKeep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		n := start(t, connect(t, m), "a")
		a, err := n.Room("r", cluster.RoomOptions{Keep: true})
		if err != nil {
			t.Fatal(err)
		}
		say(t, a, "1")
		b := enter(t, start(t, connect(t, m), "b"), "r")
		first, second := &kept{}, &kept{}
		stop := taking(t, b, first)
		stop()
		say(t, a, "2")
		time.Sleep(time.Second)
		say(t, b, "3")
		a.Close() // what was said is in the log
		taking(t, b, second)
		if s := first.String() + " | " + second.String(); s != "a:1 | a:2 b:3" {
			t.Error(s)
		}
	})
}

// While the bus is away what is said waits, as far as there is room, and the rest is
// counted; with the bus it is in the log, in order, with the gap where it was.
//
// Verifies: CLUSTER-25
func TestKeptWhileAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		cut := &line{Bus: connect(t, m)}
		a, b := enter(t, start(t, cut, "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		k := &kept{}
		taking(t, b, k)
		say(t, a, "0")
		cut.cut(true)
		const sent = 4096 + 100
		for i := range sent {
			a.Publish(t.Context(), parley.Text(fmt.Sprint(i+1)))
		}
		synctest.Wait()
		if err := a.KeepError(); !errors.Is(err, bus.ErrNoBus) {
			t.Errorf("while it is away: %v", err)
		}
		cut.cut(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		var want []string
		for i := range 4096 + 257 { // some were on their way when the others came
			want = append(want, fmt.Sprint("a:", i))
		}
		got := k.String()
		n := strings.Count(got, "a:")
		if !strings.HasPrefix(strings.Join(want, " "), strings.TrimSuffix(got, fmt.Sprintf(" (%d of a)", sent+1-n))) || n < 4096 {
			t.Errorf("%d kept, the last of them %s", n, got[len(got)-60:])
		}
		if st := a.Stats(); st.Kept+st.Unkept != sent+1 || a.KeepError() != nil {
			t.Errorf("%+v, %v", st, a.KeepError())
		}
		say(t, a, "after")
		time.Sleep(time.Second)
		synctest.Wait()
		if !strings.HasSuffix(k.String(), " a:after") {
			t.Error("nothing comes behind the gap")
		}
	})
}

// A message that no log takes is a gap in it, and those behind it come.
//
// Verifies: CLUSTER-25
func TestTooLargeToKeep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := enter(t, start(t, connect(t, m), "a"), "r")
		k := &kept{}
		taking(t, a, k)
		say(t, a, "1")
		a.Publish(t.Context(), parley.Bytes(make([]byte, 9<<20)))
		say(t, a, "2")
		time.Sleep(time.Second)
		synctest.Wait()
		if s := k.String(); s != "a:1 (1 of a) a:2" {
			t.Error(s)
		}
	})
}

// Who takes and dies is followed, by its lease: what it has not acknowledged comes to the next
// one, with the same number.
//
// Verifies: CLUSTER-24
func TestTakerDies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		cut := &line{Bus: connect(t, m)}
		a, b := enter(t, start(t, cut, "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		first, second := &kept{most: 1}, &kept{}
		taking(t, a, first)
		taking(t, b, second)
		say(t, b, "1", "2", "3")
		cut.cut(true) // as for one that died
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := second.String(); s != "" {
			t.Error("two take at a time: ", s)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if s := first.String() + " | " + second.String(); s != "b:1 | b:2 b:3" {
			t.Error(s)
		}
		second.mu.Lock()
		defer second.mu.Unlock()
		if !second.all[0].Again || second.all[1].Again || first.all[0].Again {
			t.Errorf("2 was shown to the one that died, and 3 was not: %+v", second.all)
		}
		if second.all[0].Seq != 2 || second.all[0].Process != first.all[0].Process || second.all[0].Process == "" {
			t.Errorf("%+v", second.all[0])
		}
	})
}

// What is said at once goes together, and who takes half of it gets the rest, once.
//
// Verifies: CLUSTER-24
func TestKeptTogether(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := enter(t, start(t, connect(t, m), "a"), "r")
		k := &kept{}
		taking(t, a, k)
		k.mu.Lock()
		k.most = 7
		k.mu.Unlock()
		var want []string
		for i := range 1000 {
			want = append(want, fmt.Sprint("a:", i))
			a.Publish(t.Context(), parley.Text(fmt.Sprint(i)))
		}
		time.Sleep(time.Second)
		if s := k.String(); s != strings.Join(want[:7], " ") {
			t.Error(s)
		}
		k.mu.Lock()
		k.most = 0
		k.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		if s := k.String(); s != strings.Join(want, " ") {
			t.Error(s)
		}
	})
}
