package selftest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley"
)

// trio is three bridges to one device.
type trio struct {
	*run
	device *device
	places [3]string
	secret string
	nodes  [3]*process
	urls   [3]string
}

// trio measures three that keep everything together, and a device that one of them has.
func (r *run) trio() error {
	d, err := newDevice()
	if err != nil {
		return err
	}
	defer d.l.Close()
	t := &trio{run: r, device: d, secret: filepath.Join(r.dir, "secret")}
	var random [32]byte
	rand.Read(random[:])
	if err := os.WriteFile(t.secret, fmt.Appendf(nil, "%x\n", random), 0o600); err != nil {
		return err
	}
	for i := range t.places {
		if t.places[i], err = freePlace(); err != nil {
			return err
		}
	}
	begun := time.Now()
	for i := range t.nodes {
		if err := t.startNode(i); err != nil {
			return err
		}
	}
	for i := range t.nodes {
		if t.urls[i], err = t.nodes[i].listens(); err != nil {
			return err
		}
	}
	if _, err := r.until(t.urls[0], readyFor); err != nil {
		return err
	}
	r.within("three start cold: the first owner's first answer", time.Since(begun), 3*time.Second)
	for _, step := range []func() error{t.calls, t.handover, t.kills, t.others, t.pauses} {
		if err := step(); err != nil {
			return err
		}
	}
	r.equal("messages of an owner of before that reached the device", d.old(), 0)
	return nil
}

// startNode starts one of the three, for the first time or again.
func (t *trio) startNode(i int) (err error) {
	places := []string{t.places[i], t.places[(i+1)%3], t.places[(i+2)%3]}
	t.nodes[i], err = t.start(fmt.Sprintf("node %d", i), "bridge", "line://127.0.0.1:0", t.device.url(), "--own", "psu1", "--node", fmt.Sprint("n", i),
		"--cluster", strings.Join(places, ","), "--bus-dir", filepath.Join(t.dir, fmt.Sprint("n", i)), "--secret-file", t.secret, "-v")
	return err
}

// again starts one of the three again and waits until it passes calls on.
func (t *trio) again(i int) (err error) {
	if err := t.startNode(i); err != nil {
		return err
	}
	if t.urls[i], err = t.nodes[i].listens(); err != nil {
		return err
	}
	_, err = t.until(t.urls[i], readyFor)
	return err
}

// owner returns which of the three has the device.
func (t *trio) owner() (int, error) {
	for begun := time.Now(); time.Since(begun) < 40*time.Second; time.Sleep(20 * time.Millisecond) {
		for i, p := range t.nodes {
			if p.owns() {
				return i, nil
			}
		}
	}
	return 0, errors.New("nobody has the device")
}

// calls measures calls that are passed on.
func (t *trio) calls() error {
	o, err := t.owner()
	if err != nil {
		return err
	}
	for _, way := range []struct {
		name string
		url  string
	}{{"here", t.urls[o]}, {"passed on to another node", t.urls[(o+1)%3]}} {
		c, err := t.dial(way.url)
		if err != nil {
			return err
		}
		var all []time.Duration
		for i := range 1000 {
			begun := time.Now()
			if _, err := c.Call(t.ctx, parley.Text(fmt.Sprint(i))); err != nil {
				return err
			}
			all = append(all, time.Since(begun))
		}
		c.CloseNow()
		slices.Sort(all)
		t.both("a question to the device and its answer, "+way.name+", p50 and p99", all, 250*time.Microsecond, 2*time.Millisecond)
	}
	return nil
}

// handover measures an owner that leaves.
func (t *trio) handover() error {
	o, err := t.owner()
	if err != nil {
		return err
	}
	asked := time.Now()
	t.nodes[o].leave()
	left := time.Since(asked)
	took, err := t.until(t.urls[(o+1)%3], 40*time.Second)
	if err != nil {
		return fmt.Errorf("an owner has left, and in %v nobody else has answered: %w", took.Round(time.Second), err)
	}
	t.within(fmt.Sprintf("an owner leaves (in %v): another one answers", left.Round(time.Millisecond)), took, time.Second)
	return t.again(o)
}

// kills measures owners that are killed.
func (t *trio) kills() error {
	if t.Kills == 0 {
		return nil
	}
	var longest time.Duration
	for range t.Kills {
		o, err := t.owner()
		if err != nil {
			return err
		}
		t.nodes[o].kill()
		took, err := t.until(t.urls[(o+1)%3], 40*time.Second)
		if err != nil {
			return fmt.Errorf("an owner was killed or stopped, and in %v nobody else has answered: %w", took.Round(time.Second), err)
		}
		longest = max(longest, took)
		if err := t.again(o); err != nil {
			return err
		}
	}
	t.within(fmt.Sprintf("the owner is killed, %d times: another one answers", t.Kills), longest, 30*time.Second)
	return nil
}

// others measures what an owner notices of the end of others, leaders of the bus among them.
func (t *trio) others() error {
	if t.Kills == 0 {
		return nil
	}
	o, err := t.owner()
	if err != nil {
		return err
	}
	kept := 0
	for k := range 2 * t.Kills {
		victim := (o + 1 + k%2) % 3
		t.nodes[victim].kill()
		time.Sleep(time.Second)
		if err := t.ask(t.urls[o], "x", 2*time.Second); err == nil && t.nodes[o].owns() {
			kept++
		}
		if err := t.again(victim); err != nil {
			return err
		}
	}
	t.equal("others are killed, the bus's leaders among them: the owner keeps the device", kept, 2*t.Kills)
	return nil
}

// pauses measures an owner that is stopped for longer than its lease.
func (t *trio) pauses() error {
	if !canPause || t.Kills == 0 {
		return nil // a short run
	}
	o, err := t.owner()
	if err != nil {
		return err
	}
	p := t.nodes[o]
	c, err := t.dial(t.urls[o])
	if err != nil {
		return err
	}
	defer c.CloseNow()
	p.pause()
	stopped := time.Now()
	go func() { // what waits for it when it wakes
		for i := range 20 {
			c.Send(t.ctx, parley.Text(fmt.Sprint("old ", i)))
		}
	}()
	took, err := t.until(t.urls[(o+1)%3], 40*time.Second)
	if err != nil {
		return fmt.Errorf("an owner was killed or stopped, and in %v nobody else has answered: %w", took.Round(time.Second), err)
	}
	time.Sleep(max(40*time.Second-time.Since(stopped), 0))
	p.resume()
	if _, err := t.until(t.urls[o], readyFor); err != nil {
		return err
	}
	t.within("the owner is stopped for 40 s: another one answers", took, 30*time.Second)
	t.equal("then it goes on: messages with its old token", t.device.old(), 0)
	return nil
}
