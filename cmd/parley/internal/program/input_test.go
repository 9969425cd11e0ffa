package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a program that reads when it is told to.
type reader struct {
	*bufio.Reader
	t *testing.T
}

func newInput(t *testing.T) (*Input, reader) {
	r, w := io.Pipe()
	return &Input{w: w}, reader{bufio.NewReader(r), t}
}

// line reads one line. As each is one write, nothing is read of the next one.
func (r reader) line() string {
	r.t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		r.t.Errorf("after %.20q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (r reader) expect(want ...string) {
	r.t.Helper()
	for _, w := range want {
		if got := r.line(); got != w {
			r.t.Errorf("the program reads %.20q, want %.20q", got, w)
		}
	}
}

// Sources have their turns line by line, and each its lines in order.
//
// Verifies: EXEC-01
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, program := newInput(t)
		a, b, c := in.NewSource(), in.NewSource(), in.NewSource()
		put := func(s *Source, name string, n int) {
			for i := range n {
				if err := s.Put(t.Context(), fmt.Appendf(nil, "%s%d\n", name, i), nil, 0); err != nil {
					t.Error(err)
				}
			}
		}
		put(a, "a", 4)
		put(b, "b", 2)
		put(c, "c", 1)
		program.expect("a0", "b0", "c0", "a1", "b1", "a2", "a3")
		in.CloseAfter()
		if _, err := program.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		put(a, "a", 1) // nobody wants it, which is no error
	})
}

// A source that sends more than its share waits, and nobody else does.
//
// Verifies: EXEC-01
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, program := newInput(t)
		greedy, modest := in.NewSource(), in.NewSource()
		line := []byte(strings.Repeat("x", 999) + "\n")
		put := 0
		go func() {
			for range 100 {
				if greedy.Put(t.Context(), line, nil, 0) != nil {
					return
				}
				put++
			}
		}()
		synctest.Wait()
		if want := perSource / len(line); put != want || in.held > perSource {
			t.Errorf("%d lines wait, %d bytes, want %d", put, in.held, want)
		}
		if err := modest.Put(t.Context(), []byte("modest\n"), nil, time.Second); err != nil {
			t.Error(err)
		}
		program.line()
		program.expect("modest")
		for range 99 {
			program.line()
		}
		synctest.Wait()
		if put != 100 || in.held != 0 || len(in.turns) != 0 {
			t.Errorf("%d lines, %d bytes left", put, in.held)
		}
	})
}

// All sources together have a bound too; a line that is longer than any bound
// has its turn when nothing else waits.
//
// Verifies: EXEC-01
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, program := newInput(t)
		line := []byte(strings.Repeat("x", perSource-1) + "\n")
		const sources = together/perSource + 10
		put := make(chan bool, sources)
		for range sources {
			go func() { put <- in.NewSource().Put(t.Context(), line, nil, 0) == nil }()
		}
		synctest.Wait()
		if len(put) != together/perSource || in.held > together {
			t.Errorf("%d sources have put a line, %d bytes", len(put), in.held)
		}
		long := make(chan error)
		go func() { long <- in.NewSource().Put(t.Context(), append(make([]byte, together), '\n'), nil, 0) }()
		synctest.Wait()
		late := in.NewSource()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := late.Put(ctx, []byte("late\n"), nil, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for range sources {
			program.line()
		}
		if err := <-long; err != nil {
			t.Error(err)
		}
		if got := len(program.line()); got != together {
			t.Errorf("a line of %d bytes", got)
		}
		if err := late.Put(t.Context(), []byte("behind a gap\n"), nil, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := in.NewSource().Put(t.Context(), []byte("later\n"), nil, 0); err != nil {
			t.Error(err)
		}
		program.expect("later")
	})
}

// A limit bounds how long the program takes nothing at all.
//
// Verifies: EXEC-01
func TestNotReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, program := newInput(t)
		s := in.NewSource()
		line := []byte(strings.Repeat("x", perSource/4-1) + "\n")
		for range 4 {
			s.Put(t.Context(), line, nil, time.Second)
		}
		began := time.Now()
		if err := s.Put(t.Context(), line, nil, time.Second); !errors.Is(err, ErrNotReading) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		done := make(chan error)
		go func() { done <- s.Put(t.Context(), []byte(strings.Repeat("x", perSource-1)+"\n"), nil, time.Second) }()
		for range 4 { // slowly, but it reads
			time.Sleep(900 * time.Millisecond)
			program.line()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		in.Close()
		synctest.Wait()
	})
}

// lateWriter takes a line when it is told to, whatever has happened meanwhile.
type lateWriter struct{ take chan struct{} }

func (w lateWriter) Write(p []byte) (int, error) { <-w.take; return len(p), nil }
func (w lateWriter) Close() error                { return nil }

// A program that ends just as it has taken a line: its input is closed while the line is
// being written, and the write succeeds.
//
// Verifies: EXEC-01
func TestClosedWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lateWriter{make(chan struct{})}
		in := &Input{w: w}
		s := in.NewSource()
		for range 2 {
			if err := s.Put(t.Context(), []byte("line\n"), nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		in.Close()
		close(w.take)
		synctest.Wait()
		if err := s.Put(t.Context(), []byte("line\n"), nil, 0); err != nil { // that nobody wants it is no error
			t.Error(err)
		}
	})
}

// However sources wait and give up, what was taken comes in each one's order and whole,
// the bounds hold, and nobody waits for what there is room for.
//
// Verifies: EXEC-01
func TestManyWait(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			in, program := newInput(t)
			rnd := rand.New(rand.NewPCG(seed, 1))
			const sources, each = 20, 10
			var taken [sources][]string
			var gaveUp [sources]bool
			var all sync.WaitGroup
			for i := range sources {
				s, sizes, patience := in.NewSource(), make([]int, each), make([]time.Duration, each)
				for j := range each {
					sizes[j], patience[j] = 20+rnd.IntN(200), time.Duration(1+rnd.IntN(600))*time.Second
					if rnd.IntN(4) == 0 {
						sizes[j] = perSource/2 + rnd.IntN(perSource)
					}
					if rnd.IntN(150) == 0 {
						sizes[j] = together + rnd.IntN(together)
					}
				}
				all.Go(func() {
					for j := range each {
						ctx, cancel := context.WithTimeout(t.Context(), patience[j])
						name := fmt.Sprintf("%d %d ", i, j)
						err := s.Put(ctx, []byte(name+strings.Repeat("x", sizes[j])+"\n"), nil, 0)
						cancel()
						if err == nil && gaveUp[i] {
							t.Errorf("source %d has a gap", i)
						}
						if err == nil {
							taken[i] = append(taken[i], name)
						} else {
							gaveUp[i] = true
						}
					}
				})
			}
			var read [sources][]string
			ended := make(chan bool)
			go func() {
				defer close(ended)
				for {
					line, err := program.ReadString('\n')
					if err != nil {
						return
					}
					time.Sleep(2 * time.Second)
					i, _ := strconv.Atoi(strings.Fields(line)[0])
					read[i] = append(read[i], strings.TrimRight(line, "x\n"))
					in.mu.Lock()
					if largest := 2*together + perSource; in.held > largest {
						t.Errorf("%d bytes are queued", in.held)
					}
					in.mu.Unlock()
				}
			}()
			all.Wait()
			in.CloseAfter()
			<-ended
			for i := range sources {
				if !slices.Equal(taken[i], read[i]) {
					t.Errorf("seed %d: of source %d were taken %q, the program read %q", seed, i, taken[i], read[i])
				}
			}
			if in.held != 0 || len(in.standing) != 0 || len(in.turns) != 0 {
				t.Errorf("seed %d: %d bytes, %d that stand and %d with turns are left", seed, in.held, len(in.standing), len(in.turns))
			}
		})
	}
}

// BenchmarkManyWait tells what a line costs beside so many that wait.
func BenchmarkManyWait(b *testing.B) {
	for _, waiting := range []int{10, 5000} {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			r, w := io.Pipe()
			in := &Input{w: w}
			go io.Copy(io.Discard, r)
			line := []byte(strings.Repeat("x", 60<<10) + "\n")
			lines := make(chan bool)
			var all sync.WaitGroup
			for range waiting {
				all.Go(func() {
					s := in.NewSource()
					for range lines {
						s.Put(b.Context(), line, nil, 0)
					}
				})
			}
			for b.Loop() {
				lines <- true
			}
			close(lines)
			all.Wait()
			in.Close()
		})
	}
}
