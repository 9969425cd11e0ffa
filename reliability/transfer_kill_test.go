package reliability

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-net/parley/transfer"
)

// chunk is the size of the messages that carry a file, and so the most that a
// killed process may cost.
const chunk = 4 << 20

// One side of a file transfer is killed at any point, also while the file is
// brought to the disk and gets its name. Under that name there is never
// anything but a whole file, and the next attempt continues where the killed
// one was.
func TestTransferKill(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var sum killed
		for i, c := range []struct {
			name   string
			upload bool
			victim string
		}{
			{"upload/client", true, "client"},
			{"upload/server", true, "server"},
			{"download/client", false, "client"},
			{"download/server", false, "server"},
		} {
			t.Run(c.name, func(t *testing.T) {
				k := killing{t: t, driver: d, upload: c.upload, client: c.victim == "client", rng: rand.New(rand.NewPCG(5, uint64(i)))}
				for n := scale(25, 2); k.killed.kills < n && !t.Failed(); {
					k.file(n)
				}
				sum.add(k.killed)
			})
		}
		figure(t, "%d kills in %d transfers: %d of %d files equal, %d torn, at most %.2f MiB sent again (%d kills found the file complete)",
			sum.kills, sum.files, sum.equal, sum.files, sum.torn, float64(sum.again)/(1<<20), sum.complete)
	})
}

// killed counts what happened.
type killed struct {
	files, equal, torn int
	kills, complete    int
	again              int64 // the most that was sent twice because of one kill
}

func (k *killed) add(b killed) {
	k.files += b.files
	k.equal += b.equal
	k.torn += b.torn
	k.kills += b.kills
	k.complete += b.complete
	k.again = max(k.again, b.again)
}

// killing transfers files, one side of which is killed.
type killing struct {
	t      *testing.T
	driver driver
	upload bool
	client bool // is the one that is killed
	rng    *rand.Rand
	killed killed
}

// file transfers one file, with up to three kills on the way, but no more than
// most in all.
func (k *killing) file(most int) {
	t := k.t
	dir := t.TempDir()
	served, local := filepath.Join(dir, "served"), filepath.Join(dir, "local")
	for _, d := range []string{served, local} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data := make([]byte, 2*chunk+k.rng.IntN(2*chunk))
	at := k.rng.IntN(len(noise))
	for n := 0; n < len(data); at = 0 {
		n += copy(data[n:], noise[at:])
	}
	source, target := filepath.Join(local, "file"), filepath.Join(served, "file")
	if !k.upload {
		source, target = target, source
	}
	if err := os.WriteFile(source, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var old []byte // what is there before, if anything
	if k.rng.IntN(2) == 0 {
		old = []byte("the file of yesterday")
		if err := os.WriteFile(target, old, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	start := func() *transferProcess {
		return startTransfer(t, transferConfig{Driver: k.driver.name, Root: served, InMemory: k.rng.IntN(2) == 0})
	}
	server := start()
	size, sent := int64(len(data)), int64(0)
	k.killed.files++
	for attempt := 0; ; attempt++ {
		point := int64(-1) // where to kill
		if attempt < 1+k.rng.IntN(3) && k.killed.kills < most {
			point = min(size, sent+k.rng.Int64N(size-sent+size/8))
		}
		server.forget()
		client := startTransfer(t, transferConfig{Addr: server.addr, Upload: k.upload, Local: filepath.Join(local, "file")})
		sender, victim := client, server
		if !k.upload {
			sender = server
		}
		if k.client {
			victim = client
		}
		hit := point >= 0 && sender.reaches(point, client)
		if hit {
			hit = victim.kill() // unless it had ended
		}
		err := client.wait()
		if !hit && err != nil {
			t.Errorf("nobody was killed, and yet: %v", err)
			return
		}
		if attempt > 0 {
			again := sent - client.from.Load()
			k.killed.again = max(k.killed.again, again)
			if again < 0 || again > chunk {
				t.Errorf("%d bytes of %d had been sent, the next attempt begins at %d", sent, size, client.from.Load())
			}
		}
		if !hit {
			break
		}
		k.killed.kills++
		if k.client {
			server.awaitEnd()
		}
		sent = sender.sent.Load()
		if victim == server {
			server = start()
		}
		got, _ := os.ReadFile(target)
		switch {
		case bytes.Equal(got, data):
			k.killed.complete++
			k.killed.equal++
			server.stop()
			return
		case err == nil:
			t.Errorf("killed at %d of %d: the client has succeeded, and a file of %d bytes has the name", sent, size, len(got))
			return
		case !bytes.Equal(got, old):
			k.killed.torn++
			t.Errorf("killed at %d of %d: a file of %d bytes has the name", sent, size, len(got))
			return
		}
	}
	server.stop()
	got, err := os.ReadFile(target)
	if bytes.Equal(got, data) {
		k.killed.equal++
	} else {
		t.Errorf("the file has %d bytes, want %d, or they differ (%v)", len(got), size, err)
	}
	left, _ := filepath.Glob(target + "*")
	if len(left) != 1 || strings.HasSuffix(left[0], transfer.PartSuffix) {
		t.Errorf("in the end there are %v", left)
	}
}
