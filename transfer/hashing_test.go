package transfer

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// As many as there are processors, one of each address, in their order; who has
// gone gives its place in the queue up.
//
// Verifies: TPFT-20
func TestHashingTakesTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	synctest.Test(t, func(t *testing.T) {
		var h hashing
		a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
		var none netip.Addr // a Unix socket
		began := make(chan string, 10)
		enter := func(ctx context.Context, name string, addr netip.Addr) {
			go func() {
				if err := h.enter(ctx, addr); err != nil {
					name += " gone"
				}
				began <- name
			}()
			synctest.Wait()
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			got := map[string]bool{}
			for len(began) > 0 {
				got[<-began] = true
			}
			for _, name := range want {
				if !got[name] || len(got) != len(want) {
					t.Fatalf("%v began, want %v", got, want)
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		enter(t.Context(), "a1", a)
		enter(ctx, "a2", a)
		enter(t.Context(), "a3", a)
		expect("a1")
		enter(t.Context(), "b1", b)
		enter(t.Context(), "c1", c)
		enter(t.Context(), "u1", none)
		enter(t.Context(), "u2", none)
		expect("b1")
		cancel()
		expect("a2 gone")
		if len(h.queue) != 4 {
			t.Errorf("%d wait", len(h.queue))
		}
		h.leave(a)
		expect("a3")
		h.leave(a)
		expect("c1")
		h.leave(c)
		expect("u1")
		h.leave(b)
		expect("u2")
		h.leave(none)
		h.leave(none)
		if h.running != 0 || len(h.busy) != 0 || len(h.queue) != 0 {
			t.Errorf("left over: %d, %v, %v", h.running, h.busy, h.queue)
		}
	})
}

// What is remembered belongs to one content of one file, costs no more than a
// step again, and is bounded.
//
// Verifies: TPFT-20
func TestHashCache(t *testing.T) {
	name := write(t, t.TempDir()+"/f", mix(1000))
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat := func() fs.FileInfo {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	info := stat()
	var k hashCache
	if _, at := k.find("f", info, 1000); at != 0 {
		t.Errorf("an empty cache knows %d bytes", at)
	}
	sum := newHash()
	marks, err := hashOn(t.Context(), f, sum, 0, 350, 100)
	if err != nil || len(marks) != 4 {
		t.Fatal(marks, err)
	}
	k.keep("f", info, marks)
	for n, want := range map[int64]int64{0: 0, 99: 0, 100: 100, 199: 100, 349: 300, 350: 350, 1000: 350} {
		sum, at := k.find("f", info, n)
		if at != want {
			t.Errorf("of %d bytes %d are known, want %d", n, at, want)
		}
		if _, err := hashOn(t.Context(), f, sum, at, n, 100); err != nil {
			t.Fatal(err)
		}
		whole, _ := hashPrefix(t.Context(), f, n, func() {})
		if string(sum.Sum(nil)) != string(whole.Sum(nil)) {
			t.Errorf("the hash of %d bytes, %d of them known, is wrong", n, at)
		}
	}
	if all := merge(marks, []mark{{at: 370}, {at: 400}}, 100); fmt.Sprint(places(all)) != "[100 200 300 370 400]" {
		t.Errorf("marks at %v", places(all))
	}

	// Another size, another time, another file.
	for _, change := range []func(){
		func() { write(t, name, mix(1001)) },
		func() { os.Chtimes(name, time.Now(), info.ModTime().Add(time.Second)) },
		func() {
			write(t, name+"2", mix(1001))
			os.Rename(name+"2", name)
			os.Chtimes(name, time.Now(), info.ModTime().Add(time.Second))
		},
	} {
		k.keep("f", stat(), marks)
		change()
		if _, at := k.find("f", stat(), 1000); at != 0 {
			t.Errorf("%d bytes of another content are known", at)
		}
	}

	// The files that were asked for last stay.
	var many hashCache
	for i := range 2 * maxMarks / len(marks) {
		many.keep(fmt.Sprint(i), info, marks)
		many.find("0", info, 1000)
		if many.marks > maxMarks {
			t.Fatalf("%d marks", many.marks)
		}
	}
	if _, at := many.find("0", info, 1000); at != 350 || len(many.files) > maxMarks/3 {
		t.Errorf("%d bytes of the latest are known, %d files", at, len(many.files))
	}
}

func places(marks []mark) (at []int64) {
	for _, m := range marks {
		at = append(at, m.at)
	}
	return at
}

// A file whose time could stay the same while its content changes is not
// remembered.
func TestSettled(t *testing.T) {
	info, err := os.Stat(write(t, t.TempDir()+"/f", nil))
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{-time.Hour: false, 0: false, 2 * time.Second: false, 2*time.Second + 1: true} {
		if got := settled(info, info.ModTime().Add(after)); got != want {
			t.Errorf("%v after its change: %v", after, got)
		}
	}
}
