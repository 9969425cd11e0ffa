package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// httpPage returns a page of a monitor.
func httpPage(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// The disk of a hub fills up while a room is kept: /readyz says no and what to do, those in
// the room go on hearing each other, and with room and a new start a recorder gets everything
// that the log had acknowledged, once and in order.
//
// Verifies: CLUSTER-21, CLUSTER-30
func TestBusOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 24<<20)
	data := filepath.Join(dir, "data")
	at := freePorts(t, 1)[0]
	start := func() (*child, string) {
		h := startChild(t, "serve", "line://"+at, "--relay", "--room", "cam1", "--keep", "--hub", "127.0.0.1:0", "--bus-dir", data, "--monitor", "0")
		return h, h.hears(`monitor on (http://\S+/)`)[1]
	}
	hub, monitor := start()
	hub.hears(`hub on`)
	if code, text := httpPage(t, monitor+"readyz"); code != 200 {
		t.Fatalf("readyz: %d %s", code, text)
	}
	dial := func() *parley.Conn {
		c, err := parley.Dial(t.Context(), line.Protocol{}, at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	talker, hearer := dial(), dial()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // both are in the room
		if _, text := httpPage(t, monitor+"metrics"); strings.Contains(text, `parley_room_members{room="cam1"} 2`+"\n") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("there are no two in the room")
		}
	}
	n := 0
	say := func() { // and the other one hears it
		t.Helper()
		n++
		if err := talker.Send(t.Context(), parley.Text(fmt.Sprint(n, " ", strings.Repeat("x", 50_000)))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		m, err := hearer.Receive(ctx)
		if err != nil || !strings.HasPrefix(m.Text(), fmt.Sprint(n, " ")) {
			t.Fatalf("message %d does not pass: %v", n, err)
		}
	}
	code, text := 200, ""
	for end := time.Now().Add(2 * patience); code == 200; code, text = httpPage(t, monitor+"readyz") {
		say()
		if time.Now().After(end) {
			t.Fatalf("the disk does not fill up with %d messages", n)
		}
	}
	if code != 503 || !strings.Contains(text, "no room left: the disk of "+data+": make room and start again") {
		t.Errorf("readyz: %d %s", code, text)
	}
	for range 50 { // and service goes on
		say()
	}
	_, text = httpPage(t, monitor+"metrics")
	m := regexp.MustCompile(`(?m)^parley_room_messages_kept_total\{room="cam1"\} (\d+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal(text)
	}
	kept, _ := strconv.Atoi(m[1])
	hub.cmd.Process.Signal(syscall.SIGTERM)
	hub.cmd.Wait()
	if s := hub.stderr.String(); !strings.Contains(s, "not kept") || strings.Count(s, "\n") > 40 {
		t.Errorf("it says:\n%s", s)
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=256m"); err != nil {
		t.Fatal(err)
	}
	hub, monitor = start()
	if code, text := httpPage(t, monitor+"readyz"); code != 200 {
		t.Errorf("with room and started again: %d %s", code, text)
	}
	join := hub.hears(`hub on (tls://\S+)`)[1]
	db := filepath.Join(dir, "lab.db")
	rec := startChild(t, "record", "room:cam1", "--join", join, "--secret-file", filepath.Join(data, "secret"), "--store", db)
	rec.hears(`session 1 of`)
	var got []int
	for end := time.Now().Add(patience); len(got) < kept && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		got = numbersOf(t, db)
	}
	t.Logf("%d said, %d acknowledged before the disk was full, %d in the store", n, kept, len(got))
	if len(got) < kept || kept < 50 {
		t.Errorf("%d of %d acknowledged messages are in the store", len(got), kept)
	}
	for i, n := range got[:min(kept, len(got))] {
		if n != i+1 {
			t.Fatalf("message %d is at place %d", n, i+1)
		}
	}
}

// numbersOf returns the numbers with which the messages of a store begin.
func numbersOf(t *testing.T, path string) (all []int) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Find(t.Context(), store.Query{}, func(f store.Found) error {
		first, _, _ := strings.Cut(string(f.Body), " ")
		if n, err := strconv.Atoi(first); err == nil {
			all = append(all, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
