//go:build linux

// Command folder measures how long a folder of small files takes from one
// process to another over the loopback: by a bare copy over one connection, by
// "parley put -r", and by croc over a relay of its own. Each has its turn in each
// round, and what has arrived is compared with what was sent.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	files := flag.Int("files", 1000, "how many files of 1,000 to 3,999 random bytes, a hundred in each folder")
	rounds := flag.Int("rounds", 3, "how often each has its turn; the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, *files, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "folder:", err)
		os.Exit(1)
	}
}

// way is one way to bring a folder over.
type way struct {
	name string
	// move brings the folder from to the empty folder dir and returns where it
	// then is and how long that took, from when the receiver is ready.
	move func(ctx context.Context, from, dir string) (string, time.Duration, error)
}

func compare(ctx context.Context, files, rounds int) error {
	work, err := os.MkdirTemp("", "folder")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	from := filepath.Join(work, "src")
	if err := fill(from, files); err != nil {
		return err
	}
	ways, missing, err := waysOf(ctx, work)
	if err != nil {
		return err
	}
	took := make([][]time.Duration, len(ways))
	for round := range rounds {
		for i, w := range ways {
			dir := filepath.Join(work, fmt.Sprintf("%d-%d", round, i))
			if err := os.Mkdir(dir, 0o777); err != nil {
				return err
			}
			at, d, err := w.move(ctx, from, dir)
			if err == nil {
				err = same(from, at)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			took[i] = append(took[i], d)
			os.RemoveAll(dir)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	bare := median(took[0])
	for i, w := range ways {
		m := median(took[i])
		fmt.Fprintf(t, "%s\t%.2f s\t%.0f files/s\t%.2f x\n", w.name, m.Seconds(), float64(files)/m.Seconds(), m.Seconds()/bare.Seconds())
	}
	for _, m := range missing {
		fmt.Fprintf(t, "%s\n", m)
	}
	return t.Flush()
}

// waysOf returns the ways there are, the bare copy first, and says what is missing.
func waysOf(ctx context.Context, work string) (ways []way, missing []string, err error) {
	command := filepath.Join(work, "parley")
	build := exec.CommandContext(ctx, "go", "build", "-o", command, "github.com/parley-net/parley/cmd/parley")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	ways = []way{{"bare copy", bare}, {"parley put -r", parley(command)}}
	croc, err := exec.LookPath("croc")
	if err != nil {
		return ways, []string{"croc is missing: go install github.com/schollz/croc/v10@v10.7.0"}, nil
	}
	return append(ways, way{"croc", crocWay(croc, work)}), nil, nil
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// fill makes the folder. What croc would compress is random.
func fill(dir string, files int) error {
	seed := rand.NewChaCha8([32]byte{})
	for i := range files {
		name := filepath.Join(dir, fmt.Sprintf("d%03d", i/100), fmt.Sprintf("f%06d", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		b := make([]byte, 1000+i%3000)
		seed.Read(b)
		if err := os.WriteFile(name, b, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// same compares two folders.
func same(from, at string) error {
	count := func(dir string) (n int) {
		filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				n++
			}
			return nil
		})
		return n
	}
	if a, b := count(from), count(at); a != b {
		return fmt.Errorf("%d of %d files have arrived", b, a)
	}
	return filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(name)
		got, err2 := os.ReadFile(filepath.Join(at, rel))
		if !bytes.Equal(got, want) {
			err = errors.Join(err, err2, fmt.Errorf("%s is another", rel))
		}
		return err
	})
}
