package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// space is a machine of its own: a network namespace whose way to the others can be cut,
// without anybody being told. Another way, to where the test and its device are, stays.
type space struct {
	t    *testing.T
	n    int
	cmd  *exec.Cmd
	addr string // on the way to the others
	here string // on the way to the test

	mu    sync.Mutex
	lines []string
	at    []time.Time
}

// ip runs the program of that name.
func ip(t *testing.T, args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// The switches of the two ways, and the test's own address on the second one.
const (
	spaceBridge = "parleybr0"
	testBridge  = "parleybr1"
	testAddr    = "10.213.8.254"
)

// spaces makes n machines on one switch, or says why it can't.
func spaces(t *testing.T, n int) []*space {
	t.Helper()
	if os.Getenv("PARLEY_NETNS") == "" {
		t.Skip("nodes in network namespaces: left out, PARLEY_NETNS is not set")
	}
	do := func(args ...string) {
		if err := ip(t, args...); err != nil {
			t.Skip("nodes in network namespaces: left out: ", err)
		}
	}
	for _, bridge := range []string{spaceBridge, testBridge} {
		do("link", "add", bridge, "type", "bridge")
		t.Cleanup(func() { ip(t, "link", "del", bridge) })
		do("link", "set", bridge, "up")
	}
	do("addr", "add", testAddr+"/24", "dev", testBridge)
	var all []*space
	for i := 1; i <= n; i++ {
		s := &space{t: t, n: i, addr: fmt.Sprintf("10.213.7.%d", i), here: fmt.Sprintf("10.213.8.%d", i)}
		do("netns", "add", s.name())
		t.Cleanup(func() { ip(t, "netns", "del", s.name()) })
		for _, way := range []struct{ link, dev, addr, bridge string }{{s.link(), "eth0", s.addr, spaceBridge}, {"parleyt" + fmt.Sprint(i), "eth1", s.here, testBridge}} {
			t.Cleanup(func() { ip(t, "link", "del", way.link) }) // or it is there until nobody runs there
			do("link", "add", way.link, "type", "veth", "peer", "name", way.dev, "netns", s.name())
			do("link", "set", way.link, "master", way.bridge, "up")
			do("-n", s.name(), "addr", "add", way.addr+"/24", "dev", way.dev)
			do("-n", s.name(), "link", "set", way.dev, "up")
		}
		do("-n", s.name(), "link", "set", "lo", "up")
		all = append(all, s)
	}
	return all
}

func (s *space) name() string { return fmt.Sprint("parley", s.n) }
func (s *space) link() string { return fmt.Sprint("parleyv", s.n) }

// cut takes it off the switch: what is sent goes nowhere.
func (s *space) cut() {
	if err := ip(s.t, "link", "set", s.link(), "nomaster"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *space) heal() {
	if err := ip(s.t, "link", "set", s.link(), "master", spaceBridge); err != nil {
		s.t.Fatal(err)
	}
}

// run starts a parley there.
func (s *space) run(program string, args ...string) {
	s.t.Helper()
	s.cmd = exec.Command("ip", append([]string{"netns", "exec", s.name(), program}, args...)...)
	out, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.mu.Lock()
			s.lines, s.at = append(s.lines, lines.Text()), append(s.at, time.Now())
			s.mu.Unlock()
		}
	}()
	s.t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
}

// last returns when a line that matches came last.
func (s *space) last(pattern string) (at time.Time) {
	re := regexp.MustCompile(pattern)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, line := range s.lines {
		if re.MatchString(line) {
			at = s.at[i]
		}
	}
	return at
}

// await waits for a line behind a time.
func (s *space) await(pattern string, from time.Time, most time.Duration) time.Time {
	s.t.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if at := s.last(pattern); at.After(from) {
			return at
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Fatalf("machine %d does not say %q:\n%s", s.n, pattern, strings.Join(s.lines, "\n"))
	return time.Time{}
}

// lab is some machines, and where they keep everything together a device that one of them has.
type lab struct {
	all           []*space
	device        *heardDevice
	program, dirs string
}

// heardDevice answers a line with the same line, and notes from which machine it came.
type heardDevice struct {
	mu   sync.Mutex
	from []string
	said []string
}

func startDevice(t *testing.T) (d *heardDevice, at string) {
	t.Helper()
	l, err := net.Listen("tcp", testAddr+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d = &heardDevice{}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				for s := bufio.NewScanner(c); s.Scan(); {
					d.mu.Lock()
					d.from, d.said = append(d.from, host), append(d.said, s.Text())
					d.mu.Unlock()
					fmt.Fprintln(c, s.Text())
				}
			}()
		}
	}()
	return d, l.Addr().String()
}

// newLab makes n machines, on which nothing runs.
func newLab(t *testing.T, n int) *lab {
	t.Helper()
	l := &lab{all: spaces(t, n), program: filepath.Join(t.TempDir(), "parley"), dirs: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", l.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// startTrio starts the machines.
func startTrio(t *testing.T) *lab {
	t.Helper()
	lab := newLab(t, 3)
	var device string
	lab.device, device = startDevice(t)
	secret := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(secret, []byte(strings.Repeat("5a", 32)), 0o600)
	for i, s := range lab.all {
		places := fmt.Sprintf("%s:6222,%s:6222,%s:6222", s.addr, lab.all[(i+1)%3].addr, lab.all[(i+2)%3].addr)
		s.run(lab.program, "bridge", "line://0.0.0.0:5025", "line://"+device, "--own", "psu1", "--room", "x", "--cluster", places,
			"--bus-dir", filepath.Join(lab.dirs, s.name()), "--secret-file", secret, "--node", s.name(), "-v")
	}
	return lab
}

// Three machines keep everything together and one of them has a device. The owner is cut
// off, not from the device: it stops before another one begins; the others see it gone within
// 15 s, and its own clients are told that there is no owner. When it is back all see the same
// within 10 s.
func TestOwnerInNamespaces(t *testing.T) {
	lab := startTrio(t)
	all, program, dirs := lab.all, lab.program, lab.dirs
	begun := time.Now()
	owner := -1
	for ; owner < 0 && time.Since(begun) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		for i, s := range all {
			if !s.last("this node has the device ").IsZero() || !s.last("this node has the device\"").IsZero() {
				owner = i
			}
		}
	}
	if owner < 0 {
		t.Fatal("nobody has the device")
	}
	other := all[(owner+1)%3]
	nodes := func(s *space) string {
		out, _ := exec.Command("ip", "netns", "exec", s.name(), program, "nodes", "--bus-dir", filepath.Join(dirs, s.name())).Output()
		var names []string
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(f[0], "parley") {
				names = append(names, f[0])
			}
		}
		return strings.Join(names, " ")
	}
	const everybody = "parley1 parley2 parley3"
	until := func(s *space, want string, most time.Duration) time.Duration {
		t.Helper()
		begun := time.Now()
		for nodes(s) != want {
			if time.Since(begun) > most {
				out, err := exec.Command("ip", "netns", "exec", s.name(), program, "nodes", "--bus-dir", filepath.Join(dirs, s.name())).CombinedOutput()
				t.Fatalf("machine %d sees %q %v later, want %q: %s, %v", s.n, nodes(s), most, want, out, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		return time.Since(begun)
	}
	for _, s := range all {
		until(s, everybody, 10*time.Second)
	}
	cut := time.Now()
	all[owner].cut()
	without := strings.TrimSpace(strings.Join(strings.Fields(strings.Replace(everybody, all[owner].name(), "", 1)), " "))
	ghost := until(other, without, 25*time.Second)
	if ghost > 16*time.Second {
		t.Errorf("the machine that was cut off is seen for %v", ghost)
	}
	stopped := all[owner].await("has the device no more", cut, 30*time.Second)
	var next time.Time
	for end := time.Now().Add(30 * time.Second); next.IsZero() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for i, s := range all {
			if at := s.last(`this node has the device"`); i != owner && at.After(cut) {
				next = at
			}
		}
	}
	if next.IsZero() || !next.After(stopped) {
		t.Errorf("the owner of before stopped after %v, the next one began after %v", stopped.Sub(cut), next.Sub(cut))
	}
	answer, _ := exec.Command("ip", "netns", "exec", all[owner].name(), program, "ask", "line://127.0.0.1:5025", "hello", "--timeout", "3s").CombinedOutput()
	if strings.TrimSpace(string(answer)) == "hello" {
		t.Error("who is cut off still asks the device")
	}
	healed := time.Now()
	all[owner].heal()
	var equal time.Duration
	for _, s := range all {
		equal = max(equal, until(s, everybody, 20*time.Second))
	}
	if equal = time.Since(healed); equal > 10*time.Second {
		t.Errorf("presence is equal %v behind the healing", equal)
	}
	out, err := exec.Command("ip", "netns", "exec", all[owner].name(), program, "ask", "line://127.0.0.1:5025", "hello", "--timeout", "5s").CombinedOutput()
	if strings.TrimSpace(string(out)) != "hello" {
		t.Errorf("behind the healing: %s, %v", out, err)
	}
	t.Logf("cut off: gone from the others' list after %v, the owner stopped after %v, the next one began after %v; healed: all see the same after %v",
		ghost.Round(10*time.Millisecond), stopped.Sub(cut).Round(10*time.Millisecond), next.Sub(cut).Round(10*time.Millisecond), equal.Round(10*time.Millisecond))
}
