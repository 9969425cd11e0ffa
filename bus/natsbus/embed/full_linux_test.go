package embed_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus/embed"
)

// A disk that is full ends what is kept and nothing else: appending says ErrFull, what was
// acknowledged is there, also after a restart with room, and messages go on.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("a full disk: left out: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	full(t, embed.Options{Dir: dir}, func() error { return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m") })
}

// So does the bound of what a server may keep.
//
// Verifies: CLUSTER-21
func TestStoreFull(t *testing.T) {
	full(t, embed.Options{Dir: t.TempDir(), MaxStore: 8 << 20}, nil)
}

func full(t *testing.T, o embed.Options, more func() error) {
	s := start(t, o)
	b := connect(t, s)
	heard := make(chan struct{}, 10)
	if _, err := b.Subscribe("x", bus.SubscribeOptions{}, func(bus.Message) { heard <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	l, err := b.Log(t.Context(), "capture", bus.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var acked []string
	var refused error
	for i := range 200 {
		done := make(chan error, 1)
		id := fmt.Sprint(i)
		if err := l.Append(t.Context(), "s", id, make([]byte, 100<<10), func(_ uint64, err error) { done <- err }); err != nil {
			refused = err
			break
		}
		select {
		case err := <-done:
			if err == nil {
				acked = append(acked, id)
				continue
			}
			refused = err
		case <-time.After(20 * time.Second):
			t.Fatal("no answer to an entry")
		}
		break
	}
	if !errors.Is(refused, bus.ErrFull) || len(acked) < 20 {
		t.Errorf("%d kept, then %v", len(acked), refused)
	}
	if err := b.Publish(t.Context(), "x", nil); err != nil {
		t.Error(err)
	}
	select {
	case <-heard:
	case <-time.After(20 * time.Second):
		t.Error("messages do not go on")
	}
	b.Close()
	s.Close()
	if more != nil {
		if err := more(); err != nil {
			t.Fatal(err)
		}
	}
	if l, err = connect(t, start(t, o)).Log(t.Context(), "capture", bus.LogOptions{}); err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	if err := l.Read(t.Context(), 0, func(e bus.LogEntry) error { there[e.ID] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, id := range acked {
		if !there[id] {
			lost++
		}
	}
	t.Logf("%d kept before it was full (%v); afterwards %d are there, %d lost", len(acked), refused, len(there), lost)
	if lost > 0 {
		t.Errorf("%d of %d acknowledged entries are lost", lost, len(acked))
	}
}
