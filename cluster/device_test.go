package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// A node that takes no part in the ownership knows whose the device is, reaches whoever has
// it, waits for one that is handed over, and is told where a failure was, or that
// nobody has it. A silent owner is told as such.
//
// Verifies: CLUSTER-26
func TestDevice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		web := start(t, connect(t, m), "w")
		dev, err := web.Device("psu.1 *")
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		owner := func(when, want string, silent bool) {
			t.Helper()
			settle()
			if got, stale := dev.Owner(); got != want || stale != silent {
				t.Errorf("%s: %q has it, silent %v", when, got, stale)
			}
		}
		owner("at first", "", false)
		begun := time.Now()
		if _, err := call(t, dev, "x"); !errors.Is(err, cluster.ErrNoOwner) || time.Since(begun) > 2*time.Second {
			t.Errorf("without an owner: %v after %v", err, time.Since(begun))
		}
		d := new(instrument)
		a, dying := start(t, connect(t, m), "a"), m.Connect()
		ofA := own(t, a, d)
		owner("with an owner", "a", false)
		own(t, start(t, dying, "b"), d)
		if got, err := call(t, dev, "x"); got != "a x" || err != nil {
			t.Errorf("at a: %q, %v", got, err)
		}
		if _, err := call(t, dev, "fail"); err == nil || !strings.Contains(err.Error(), "at its owner on node a: it smokes") {
			t.Errorf("a failure: %v", err)
		}
		go ofA.Close(context.Background())
		if got, err := call(t, dev, "y"); got != "b y" && got != "a y" || err != nil {
			t.Errorf("while it is handed over: %q, %v", got, err)
		}
		owner("handed over", "b", false)
		dying.Close()
		begun = time.Now()
		if _, err := call(t, dev, "z"); !errors.Is(err, cluster.ErrNoOwner) || time.Since(begun) > 2*time.Second {
			t.Errorf("with a dead owner: %v after %v", err, time.Since(begun))
		}
		web.Who(t.Context(), "")
		time.Sleep(11 * time.Second)
		owner("dead", "b", true)
		time.Sleep(10 * time.Second)
		owner("its lease has ended", "", false)
		for _, bad := range []string{"", strings.Repeat("x", 201)} {
			if _, err := web.Device(bad); err == nil {
				t.Errorf("a device named %.10q", bad)
			}
		}
	})
}

// The bus may come later.
//
// Verifies: CLUSTER-26
func TestDeviceWithoutABus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		l := connect(t, m)
		l.set(true, 0)
		web := start(t, l, "w")
		dev, err := web.Device("psu.1 *")
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		own(t, start(t, connect(t, m), "a"), new(instrument))
		time.Sleep(10 * time.Second)
		if got, _ := dev.Owner(); got != "" {
			t.Errorf("without a bus %q has it", got)
		}
		l.set(false, 0)
		time.Sleep(2 * time.Second)
		if got, _ := dev.Owner(); got != "a" {
			t.Errorf("then %q has it", got)
		}
		if got, err := call(t, dev, "x"); got != "a x" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// deaf is a bus whose next request arrives nowhere, as one does that a node gets in the moment in
// which it lets go of its device.
type deaf struct {
	bus.Bus
	once bool
}

func (d *deaf) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if bus.Matches("parley.v1.*.own.>", subject) && !d.once {
		d.once = true
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.Bus.Request(ctx, subject, data)
}

// A call that got lost on its way is told within 2 s, though its owner is there; one that is
// under way is waited for.
//
// Verifies: CLUSTER-16
func TestLostCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		own(t, start(t, connect(t, m), "a"), new(instrument))
		web := start(t, &deaf{Bus: connect(t, m)}, "w")
		dev, err := web.Device("psu.1 *")
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		begun := time.Now()
		if _, err := call(t, dev, "x"); !errors.Is(err, cluster.ErrOwnerLost) || time.Since(begun) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if got, err := call(t, dev, "x"); got != "a x" || err != nil {
			t.Errorf("then %q, %v", got, err)
		}
		begun = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		if _, err := dev.Call(ctx, parley.Text("hang")); errors.Is(err, cluster.ErrOwnerLost) || time.Since(begun) < 7*time.Second {
			t.Errorf("one that takes its time: %v after %v", err, time.Since(begun))
		}
	})
}
