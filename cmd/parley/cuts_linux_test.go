package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// cutsFor is how long TestCutsInNamespaces goes on: -cuts 10m is the whole of it.
var cutsFor = flag.Duration("cuts", 0, "how long machines are cut off at random; 0: once")

// seen is how a machine's nodes lists the others: here or stale.
func (l *lab) seen(s *space) map[string]string {
	out, _ := exec.Command("ip", "netns", "exec", s.name(), l.program, "nodes", "--json", "--bus-dir", filepath.Join(l.dirs, s.name())).Output()
	all := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		var n struct {
			Node  string `json:"node"`
			Stale bool   `json:"stale"`
		}
		if json.Unmarshal([]byte(line), &n) != nil {
			continue
		}
		all[n.Node] = "here"
		if n.Stale {
			all[n.Node] = "stale"
		}
	}
	return all
}

// talk asks the device at a machine all the time, each question once, until ctx ends.
func (l *lab) talk(ctx context.Context, s *space, asked *asked) {
	for n := 0; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", s.here+":5025", time.Second)
		if err != nil {
			continue
		}
		answers := bufio.NewScanner(c)
		for ctx.Err() == nil {
			n++
			question := fmt.Sprintf("%s-%d", s.name(), n)
			c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := fmt.Fprintln(c, question); err != nil || !answers.Scan() {
				asked.note(question, "") // nobody has the device: the connection is closed
				break
			}
			asked.note(question, answers.Text())
			time.Sleep(50 * time.Millisecond)
		}
		c.Close()
	}
}

// asked is what the clients have got.
type asked struct {
	mu               sync.Mutex
	answered, failed int
	wrong            []string
	last             time.Time // an answer came
}

func (a *asked) note(question, answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case answer == question:
		a.answered++
		a.last = time.Now()
	case strings.HasPrefix(answer, "parley"): // another one's
		a.wrong = append(a.wrong, question+" → "+answer)
	default:
		a.failed++
	}
}

// cutOff is what was seen of one machine that was cut off.
type cutOff struct{ stale, gone, equal time.Duration }

// cut cuts a machine off for a while, and sees how the others and it take it.
func (l *lab) cut(t *testing.T, victim int, d time.Duration) (c cutOff) {
	t.Helper()
	s := l.all[victim]
	cut := time.Now()
	s.cut()
	var looking sync.WaitGroup
	var mu sync.Mutex
	for i, other := range l.all {
		if i == victim {
			continue
		}
		looking.Go(func() {
			gone := false
			for begun := time.Now(); time.Since(cut) < d; begun = time.Now() {
				how := l.seen(other)
				mu.Lock()
				switch at := time.Since(cut); how[s.name()] {
				case "stale":
					if c.stale == 0 {
						c.stale = at
					}
				case "here":
					if begun.Sub(cut) > 15*time.Second {
						t.Errorf("machine %d sees %d as if it were there %v behind the cut", other.n, s.n, at)
					}
				case "":
					if _, itself := how[other.name()]; itself && !gone {
						gone, c.gone = true, max(c.gone, at)
					}
				}
				if how[s.name()] != "" && begun.Sub(cut) > 20*time.Second {
					t.Errorf("machine %d still lists %d %v behind the cut: a ghost", other.n, s.n, time.Since(cut))
				}
				mu.Unlock()
				time.Sleep(300 * time.Millisecond)
			}
		})
	}
	looking.Wait()
	healed := time.Now()
	s.heal()
	for _, one := range l.all {
		for {
			how := l.seen(one)
			if len(how) == 3 && how["parley1"] == "here" && how["parley2"] == "here" && how["parley3"] == "here" {
				break
			}
			if time.Since(healed) > 30*time.Second {
				t.Errorf("machine %d sees %v 30 s behind the healing", one.n, how)
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	c.equal = time.Since(healed)
	return c
}

// soundDevice holds what came to the device to what is promised: each question once, and
// those of one machine, between two times that it became the owner, without another one's.
func (l *lab) soundDevice(t *testing.T) (messages, owners int) {
	t.Helper()
	l.device.mu.Lock()
	defer l.device.mu.Unlock()
	stints := make(map[string]int)
	said := make(map[string]bool)
	last := ""
	for i, from := range l.device.from {
		if from != last {
			stints[from]++
			owners++
		}
		last = from
		if said[l.device.said[i]] {
			t.Errorf("%s came to the device twice", l.device.said[i])
		}
		said[l.device.said[i]] = true
	}
	for _, s := range l.all {
		s.mu.Lock()
		became := strings.Count(strings.Join(s.lines, "\n"), `"this node has the device"`)
		s.mu.Unlock()
		if stints[s.here] > became {
			t.Errorf("machine %d has become the owner %d times, and spoke to the device %d times with others between", s.n, became, stints[s.here])
		}
	}
	return len(l.device.from), owners
}

// One of three machines is cut off from the others at random, not from its clients and the
// device: the others see it as stale, then not at all, and when it is back all see the same.
// Two never speak to the device at a time, and no question comes to it twice.
//
// Verifies: CLUSTER-16, CLUSTER-17
func TestCutsInNamespaces(t *testing.T) {
	l := startTrio(t)
	for _, s := range l.all {
		for end := time.Now().Add(30 * time.Second); len(l.seen(s)) < 3; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("machine %d sees %v", s.n, l.seen(s))
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	var clients asked
	for _, s := range l.all {
		talking.Go(func() { l.talk(ctx, s, &clients) })
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	var most cutOff
	cuts := 0
	for begun := time.Now(); cuts == 0 || time.Since(begun) < *cutsFor; cuts++ {
		d := time.Duration(1000+rng.IntN(40000)) * time.Millisecond
		if cuts == 0 {
			d = 25 * time.Second
		}
		c := l.cut(t, rng.IntN(3), d)
		most = cutOff{max(most.stale, c.stale), max(most.gone, c.gone), max(most.equal, c.equal)}
		time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
	}
	clients.mu.Lock()
	before := clients.answered
	clients.mu.Unlock()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		clients.mu.Lock()
		now := clients.answered
		clients.mu.Unlock()
		if now > before+3 {
			break
		}
		if time.Now().After(end) {
			t.Error("the device does not answer when all are back")
			break
		}
	}
	stop()
	talking.Wait()
	messages, owners := l.soundDevice(t)
	for _, w := range clients.wrong {
		t.Error("an answer to another question: ", w)
	}
	if clients.answered == 0 || messages == 0 {
		t.Error("nobody was answered")
	}
	ms := 10 * time.Millisecond
	t.Logf("seed %d: %d times cut off: shown as stale after %v, gone after %v, healed: all see the same after %v, at most; %d questions answered, %d refused or lost, %d at the device in %d stretches of one owner",
		seed, cuts, most.stale.Round(ms), most.gone.Round(ms), most.equal.Round(ms), clients.answered, clients.failed, messages, owners)
}

// One that has joined a hub is cut off, by a link that says nothing: at the hub it is shown as
// stale, then not at all, and again when the link is back, with who is connected there.
func TestLeafInNamespaces(t *testing.T) {
	l := newLab(t, 2)
	hub, leaf := l.all[0], l.all[1]
	data := filepath.Join(l.dirs, hub.name())
	hub.run(l.program, "serve", "line://0.0.0.0:5025", "--relay", "--room", "x", "--hub", ":7422", "--bus-dir", data, "--node", hub.name())
	hub.await("hub on", time.Time{}, 30*time.Second)
	leaf.run(l.program, "serve", "line://0.0.0.0:5025", "--relay", "--room", "x", "--join", hub.addr+":7422", "--secret-file", filepath.Join(data, "secret"), "--node", leaf.name())
	leaf.await("joined", time.Time{}, 30*time.Second)
	until := func(want string) time.Duration {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			if got := l.seen(hub)[leaf.name()]; got == want {
				return time.Since(begun).Round(10 * time.Millisecond)
			} else if time.Since(begun) > 30*time.Second {
				t.Fatalf("the hub sees the leaf as %q for 30 s, want %q", got, want)
			}
		}
	}
	until("here")
	leaf.cut()
	stale := until("stale")
	gone := stale + until("")
	leaf.heal()
	t.Logf("the leaf is cut off: at the hub it is shown as stale after %v, gone after %v; healed: there after %v", stale, gone, until("here"))
}
