package embed_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus/embed"
)

// What a process of these tests is told to be.
const (
	childDir    = "PARLEY_CAPTURE_DIR"
	childHub    = "PARLEY_LEASE_HUB"
	childSecret = "PARLEY_LEASE_SECRET"
)

// TestMain is also the process that is killed, or stopped.
func TestMain(m *testing.M) {
	if os.Getenv(embed.ChildCluster) != "" {
		fmt.Fprintln(os.Stderr, embed.ServeChildCluster())
		os.Exit(1)
	}
	if url := os.Getenv(childHub); url != "" {
		if err := useWhileHeld(url, os.Getenv(childSecret)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(childDir); dir != "" {
		if err := captureUntilKilled(dir, os.Getenv("PARLEY_CAPTURE_RUN")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// useWhileHeld is the holder that is stopped: it says each use of what it has.
func useWhileHeld(url, secret string) error {
	ctx := context.Background()
	key, err := embed.ParseSecret(secret)
	if err != nil {
		return err
	}
	s, err := embed.Start(ctx, embed.Options{Join: url, Secret: &key})
	if err != nil {
		return err
	}
	b, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	k, err := b.Bucket(ctx, "own", bus.BucketOptions{TTL: bus.LeaseTTL})
	if err != nil {
		return err
	}
	l, err := bus.Acquire(ctx, k, "psu1", "stopped")
	if err != nil {
		return err
	}
	for {
		select {
		case <-l.Lost():
			fmt.Println("lost")
			return nil
		case <-time.After(time.Millisecond):
		}
		if l.Valid() {
			fmt.Println("use", l.Token())
		}
	}
}

// captureUntilKilled appends and prints the id of each entry that was acknowledged.
func captureUntilKilled(dir, run string) error {
	ctx := context.Background()
	s, err := embed.Start(ctx, embed.Options{Dir: dir})
	if err != nil {
		return err
	}
	b, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	l, err := b.Log(ctx, "capture", bus.LogOptions{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprint(run, "-", i)
		if err := l.Append(ctx, "s", id, make([]byte, 100), func(_ uint64, err error) {
			if err == nil {
				os.Stdout.WriteString(id + "\n")
			}
		}); err != nil {
			return err
		}
	}
}

// What was acknowledged is there after kill -9, each time: nothing is lost, nothing is there
// twice. PARLEY_KILLS says how often.
//
// Verifies: CLUSTER-18
func TestCaptureSurvivesKills(t *testing.T) {
	kills := 8
	if n, err := strconv.Atoi(os.Getenv("PARLEY_KILLS")); err == nil {
		kills = n
	}
	dir := t.TempDir()
	acked := make(map[string]bool)
	for run := range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprint("PARLEY_CAPTURE_RUN=", run))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		most := 1 + rand.IntN(3000)
		got := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), fmt.Sprint(run, "-")) {
				acked[lines.Text()] = true
			}
			if got++; got == most {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if got == 0 {
			t.Fatalf("run %d has kept nothing", run)
		}
	}
	l, err := connect(t, start(t, embed.Options{Dir: dir})).Log(t.Context(), "capture", bus.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]int)
	if err := l.Read(t.Context(), 0, func(e bus.LogEntry) error { there[e.ID]++; return nil }); err != nil {
		t.Fatal(err)
	}
	lost, twice := 0, 0
	for id := range acked {
		if there[id] == 0 {
			lost++
		}
	}
	for _, n := range there {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d kills, %d acknowledged, %d there: %d lost, %d twice", kills, len(acked), len(there), lost, twice)
	if lost+twice > 0 {
		t.Errorf("%d acknowledged entries are lost, %d are there twice", lost, twice)
	}
}

// bare is a loop of write and fsync, beside which a log is measured.
type bare struct {
	f    *os.File
	n    int
	took time.Duration
}

func newBare(b *testing.B, dir string) *bare {
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return &bare{f: f}
}

// write writes n times.
func (w *bare) write(b *testing.B, n int) {
	p, begun := make([]byte, 100), time.Now()
	for range n {
		if _, err := w.f.Write(p); err != nil {
			b.Fatal(err)
		}
		if err := w.f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	w.n, w.took = w.n+n, w.took+time.Since(begun)
}

// rate is how many writes it does in a second.
func (w *bare) rate() float64 { return float64(w.n) / w.took.Seconds() }

// BenchmarkCapture is a log of 100 bytes an entry with SyncAlways, one by one and with
// many under way, in turns with a bare loop of write and fsync: what else the disk has to do
// meets both.
func BenchmarkCapture(b *testing.B) {
	for _, way := range []string{"one by one", "pipelined"} {
		b.Run(way, func(b *testing.B) {
			dir := b.TempDir()
			fsyncs := newBare(b, dir)
			l, err := connect(b, start(b, embed.Options{Dir: filepath.Join(dir, "bus")})).Log(b.Context(), "capture", bus.LogOptions{})
			if err != nil {
				b.Fatal(err)
			}
			turn, one := 64, way == "one by one"
			if !one {
				turn = 4096
			}
			var all sync.WaitGroup
			p := make([]byte, 100)
			for n := 0; b.Loop(); n++ {
				if n%turn == 0 {
					all.Wait()
					b.StopTimer()
					fsyncs.write(b, 64)
					b.StartTimer()
				}
				all.Add(1)
				if err := l.Append(b.Context(), "s", "", p, func(_ uint64, err error) {
					if err != nil {
						b.Error(err)
					}
					all.Done()
				}); err != nil {
					b.Fatal(err)
				}
				if one {
					all.Wait()
				}
			}
			all.Wait()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "entries/s")
			b.ReportMetric(rate/fsyncs.rate(), "×fsync")
		})
	}
}
