//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

// machine is a parley that runs as a process of its own.
type machine struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *capture
}

// startMachine starts one and waits until it has said what it serves.
func startMachine(t *testing.T, args ...string) *machine {
	t.Helper()
	m := &machine{t: t, cmd: exec.Command("parley", args...), stderr: newCapture()}
	m.cmd.Stderr = m.stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.cmd.Process.Signal(syscall.SIGCONT)
		m.cmd.Process.Kill()
		m.cmd.Wait()
		if t.Failed() {
			t.Logf("parley %s:\n%s", strings.Join(args, " "), m.stderr)
		}
	})
	m.says(`listening on `)
	return m
}

// says waits for what it says, and returns the first group.
func (m *machine) says(pattern string) string {
	m.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if found := re.FindStringSubmatch(m.stderr.String()); found != nil {
			return found[len(found)-1]
		}
	}
	m.t.Fatalf("%v does not say %s:\n%s", m.cmd.Args, pattern, m.stderr)
	return ""
}

// ask asks with a ref, and returns the answer; what a subscription brings meanwhile is left out.
func (b *browser) ask(format string, args ...any) map[string]any {
	b.t.Helper()
	b.say(format, args...)
	for {
		if got := b.hear(); got["ref"] != nil {
			return got
		}
	}
}

// until asks until the answer is right.
func (b *browser) until(frame string, right func(map[string]any) bool) map[string]any {
	b.t.Helper()
	var got map[string]any
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = b.ask("%s", frame); right(got) {
			return got
		}
	}
	b.t.Fatalf("%s: %v", frame, got)
	return nil
}

// members returns NODE/ID of those of a node in an answer of who, and whether all are stale.
func members(got map[string]any, node string) (ids []string, stale bool) {
	all, _ := got["members"].([]any)
	stale = true
	for _, m := range all {
		if m := m.(map[string]any); m["node"] == node {
			ids = append(ids, node+"/"+m["id"].(string))
			stale = stale && m["stale"] == true
		}
	}
	return ids, stale && len(ids) > 0
}

// echoer is a device that answers a line with its own name and the line.
func echoer(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					fmt.Fprintln(c, "device got", s.Text())
				}
			}()
		}
	}()
	return l.Addr().String()
}

// Pages at one machine reach a room whose servers are at another one, and a device that
// a third one owns, through a hub that both have joined with its secret, or through a NATS.
//
// Verifies: WEB-21, WEB-23, CLUSTER-26
func TestPagesOnAnyNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts six processes")
	}
	t.Run("hub", func(t *testing.T) {
		dir := t.TempDir()
		hub := startMachine(t, "serve", "line://127.0.0.1:0", "--relay", "--room", "cam1", "--hub", "127.0.0.1:0", "--bus-dir", dir, "--node", "far", "--monitor", "0")
		join := []string{"--join", hub.says(`hub on (tls://\S+)`), "--secret-file", filepath.Join(dir, "secret")}
		pagesOnAnyNode(t, hub, join)
	})
	t.Run("leaf", func(t *testing.T) { // its --monitor shows what all have, and its own
		dir := t.TempDir()
		hub := startMachine(t, "serve", "line://127.0.0.1:0", "--relay", "--room", "cam2", "--hub", "127.0.0.1:0", "--bus-dir", dir, "--node", "hub")
		join := []string{"--join", hub.says(`hub on (tls://\S+)`), "--secret-file", filepath.Join(dir, "secret")}
		far := startMachine(t, append([]string{"serve", "line://127.0.0.1:0", "--relay", "--room", "cam1", "--node", "far", "--monitor", "0"}, join...)...)
		page := openPage(t, far.says(`monitor on (http://[^/\s]+)`))
		page.until(`{"op":"nodes","ref":1}`, func(got map[string]any) bool {
			rooms := make(map[string]any)
			all, _ := got["nodes"].([]any)
			for _, n := range all {
				node, _ := n.(map[string]any)
				rooms[fmt.Sprint(node["node"])] = node["rooms"]
			}
			return len(rooms) == 2 && strings.HasPrefix(fmt.Sprint(rooms["far"]), "map[cam1:") && strings.HasPrefix(fmt.Sprint(rooms["hub"]), "map[cam2:")
		})
		pagesOnAnyNode(t, far, join)
	})
	t.Run("nats", func(t *testing.T) {
		program, data := natsServer(t), t.TempDir()
		nats := exec.Command(program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", data, "--ports_file_dir", data)
		if err := nats.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nats.Process.Kill(); nats.Wait() })
		var ports struct{ NATS []string }
		for end := time.Now().Add(patience); len(ports.NATS) == 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the NATS does not listen")
			}
			if found, _ := filepath.Glob(filepath.Join(data, "*.ports")); len(found) > 0 {
				b, _ := os.ReadFile(found[0])
				json.Unmarshal(b, &ports)
			}
		}
		join := []string{"--bus", ports.NATS[0]}
		far := startMachine(t, append([]string{"serve", "line://127.0.0.1:0", "--relay", "--room", "cam1", "--node", "far", "--monitor", "0"}, join...)...)
		pagesOnAnyNode(t, far, join)
	})
}

func pagesOnAnyNode(t *testing.T, far *machine, join []string) {
	device := echoer(t)
	own := func(name string) *machine {
		return startMachine(t, append([]string{"bridge", "line://127.0.0.1:0", "line://" + device, "--own", "psu1", "--node", name, "-v"}, join...)...)
	}
	first := own("owner1")
	first.says("this node has the device")
	door := startMachine(t, append([]string{"web", "--listen", "0", "--room", "cam1", "--target", "psu1", "--node", "near"}, join...)...)
	at := far.says(`listening on line://(\S+)`)
	there, err := parley.Dial(t.Context(), line.Protocol{}, at)
	if err != nil {
		t.Fatal(err)
	}
	defer there.CloseNow()
	page := openPage(t, door.says(`listening on (http://\S+)`))
	other := openPage(t, far.says(`monitor on (http://[^/\s]+)`)) // of the server itself
	for _, b := range []*browser{page, other} {
		if got := b.ask(`{"op":"sub","id":1,"to":"cam1","ref":1}`); got["op"] != "ok" {
			t.Fatal(got)
		}
	}
	const who = `{"op":"who","ref":2,"to":"cam1"}`
	for _, b := range []*browser{page, other} {
		b.until(who, func(got map[string]any) bool {
			ids, _ := members(got, "far")
			near, _ := members(got, "near")
			return len(ids) == 2 && len(near) == 1
		})
	}

	// The room.
	if err := there.Send(t.Context(), parley.Text("from far")); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browser{page, other} {
		if got := b.hear(); got["text"] != "from far" || got["proto"] != "line" || got["from"] != "far/1.1" {
			t.Errorf("a page got %v", got)
		}
	}
	page.ask(`{"op":"send","to":"cam1","text":"from a page","ref":3}`)
	if m, err := there.Receive(t.Context()); err != nil || m.Text() != "from a page" {
		t.Errorf("the client there got %v, %v", m, err)
	}
	if got := other.hear(); got["text"] != "from a page" || !strings.HasPrefix(got["from"].(string), "near/w") {
		t.Errorf("the page there got %v", got)
	}

	// The device, and its owner's change.
	const call = `{"op":"call","ref":4,"to":"psu1","text":"*IDN?"}`
	answered := func(got map[string]any) bool { return got["text"] == "device got *IDN?" }
	if got := page.ask(call); !answered(got) {
		t.Errorf("the device: %v", got)
	}
	second := own("owner2")
	first.cmd.Process.Signal(syscall.SIGTERM)
	begun := time.Now()
	got := page.ask(call) // it is handed over meanwhile
	if took := time.Since(begun); !answered(got) && (got["error"] == nil || took > 20*time.Second) {
		t.Errorf("handed over: %v after %v", got, took)
	}
	t.Logf("handed over: %v after %v", got, time.Since(begun).Round(time.Millisecond))
	page.until(call, answered)
	second.says("this node has the device")
	first.cmd.Wait()
	second.cmd.Process.Kill()
	second.cmd.Wait()
	begun = time.Now()
	got = page.ask(call)
	if text, _ := got["error"].(string); !strings.HasPrefix(text, "psu1: ") || time.Since(begun) > 20*time.Second {
		t.Errorf("the owner was killed: %v after %v", got, time.Since(begun))
	}
	t.Logf("the owner was killed: %v after %v", got["error"], time.Since(begun).Round(time.Millisecond))
	own("owner3")
	page.until(call, answered)

	staleNodes(t, page, join)

	// A page ends a connection of another machine.
	if got := page.ask(`{"op":"kill","ref":6,"to":"cam1","conn":"far/1.1","reason":"enough"}`); got["op"] != "ok" {
		t.Errorf("kill: %v", got)
	}
	if _, err := there.Receive(t.Context()); err == nil {
		t.Error("the connection lives")
	}
	far.says("ended by an operator: enough")
}

// stop stops it, and waits until it stands still.
func (m *machine) stop() {
	m.t.Helper()
	m.cmd.Process.Signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(m.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || !status.Stopped() {
			m.t.Fatalf("%v does not stop: %v, %v", m.cmd.Args, status, err)
		}
		return
	}
}

// staleNodes stops a machine: pages and commands show it and its members as stale, not as
// gone; it goes on, and is there again. Its entry ends 15 s after its last word: whoever
// came too late to see it looks once more.
func staleNodes(t *testing.T, page *browser, join []string) {
	quiet := startMachine(t, append([]string{"serve", "line://127.0.0.1:0", "--relay", "--room", "cam1", "--node", "quiet"}, join...)...)
	c, err := parley.Dial(t.Context(), line.Protocol{}, quiet.says(`listening on line://(\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	const who, nodes = `{"op":"who","ref":5,"to":"cam1"}`, `{"op":"nodes","ref":7}`
	here := func(got map[string]any) bool {
		ids, stale := members(got, "quiet")
		return len(ids) == 1 && !stale
	}
	known := func(got map[string]any) bool { // to the registry, with its member, lately
		all, _ := got["nodes"].([]any)
		return slices.ContainsFunc(all, func(n any) bool {
			node, _ := n.(map[string]any)
			rooms, _ := node["rooms"].(map[string]any)
			cam1, _ := rooms["cam1"].(map[string]any)
			return node["node"] == "quiet" && node["stale"] != true && cam1["members"] == 1.0
		})
	}
	commands := map[string]*regexp.Regexp{ // until they have shown it
		"who cam1 --json": regexp.MustCompile(`"node":"quiet","id":"1\.1",.*"stale":true`),
		"nodes --json":    regexp.MustCompile(`"node":"quiet",.*"stale":true`),
		"rooms":           regexp.MustCompile(`(?m)^cam1 .* quiet$`),
	}
	shown := false // to the page
	for end := time.Now().Add(3 * patience); !shown || len(commands) > 0; {
		if time.Now().After(end) {
			t.Errorf("a machine that is stopped is never shown as stale: to the page %v, by %v", shown, slices.Collect(maps.Keys(commands)))
			return
		}
		page.until(who, here)
		page.until(nodes, known)
		quiet.stop()
		said := make(chan [2]string, len(commands))
		for command := range commands {
			go func() {
				out, _ := exec.Command("parley", append(strings.Fields(command), join...)...).CombinedOutput()
				said <- [2]string{command, string(out)}
			}()
		}
		got := page.ask(who)
		_, stale := members(got, "quiet")
		silent, _ := got["silent"].([]any)
		shown = shown || stale && slices.Contains(silent, any("quiet"))
		for range cap(said) {
			one := <-said
			if commands[one[0]].MatchString(one[1]) {
				delete(commands, one[0])
			} else {
				t.Logf("parley %s, while it is stopped:\n%s", one[0], one[1])
			}
		}
		quiet.cmd.Process.Signal(syscall.SIGCONT)
	}
	page.until(who, here)
}
