package program

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Long lines have their turns, the longest wait first, and never more memory than the
// limit together; one that is larger has all of it.
//
// Verifies: EXEC-07
func TestLongLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := 0
		l := NewLongLines(100, func() { none++ })
		take := func(size int64) <-chan *Share {
			c := make(chan *Share, 1)
			go func() {
				s, err := l.Take(t.Context(), size, nil, nil)
				if err != nil {
					t.Error(err)
				}
				c <- s
			}()
			synctest.Wait()
			return c
		}
		a, b := <-take(60), <-take(40)
		large, small := take(1000), take(1) // which would fit, but waits behind the large one
		if len(large)+len(small) > 0 || l.held != 100 {
			t.Errorf("%d bytes are held, and another has got some", l.held)
		}
		a.Give()
		a.Give()
		b.Give()
		synctest.Wait()
		if len(large) != 1 || len(small) != 0 || l.held != 100 {
			t.Errorf("%d bytes are held; the large one: %v, the one behind: %v", l.held, len(large) == 1, len(small) == 1)
		}
		(<-large).Give()
		(<-small).Give()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		all := <-take(100)
		if s, err := l.Take(ctx, 1, nil, nil); !errors.Is(err, context.DeadlineExceeded) || s != nil {
			t.Errorf("%v, %v", s, err)
		}
		all.Give()
		if l.held != 0 || len(l.waiting) != 0 || len(l.given) != 0 || none == 0 {
			t.Errorf("in the end %+v, told %d times", l, none)
		}
	})
}

// A long line may stand still as long as nobody waits for its memory, and move as
// slowly as it likes; when others have waited for ten seconds one that stands still
// costs its connection.
//
// Verifies: EXEC-07
func TestLongLineStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLongLines(100, func() {})
		start, stopped := time.Now(), map[string]time.Duration{}
		var shares = map[string]*Share{}
		hold := func(name string, left func() uint64) *Share {
			s, err := l.Take(t.Context(), 50, left, func(err error) {
				if !errors.Is(err, errStandstill) {
					t.Error(err)
				}
				stopped[name] = time.Since(start)
				shares[name].Give()
			})
			if err != nil {
				t.Fatal(err)
			}
			shares[name] = s
			return s
		}
		slow := hold("slow", nil)
		go func() {
			for range 20 { // three minutes, longer than all that follows
				time.Sleep(9 * time.Second)
				slow.Moved()
			}
		}()
		hold("still", nil)
		time.Sleep(time.Minute)
		if len(stopped) > 0 {
			t.Errorf("stopped though nobody waits: %v", stopped)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		l.Take(ctx, 50, nil, nil) // that is not long enough
		cancel()
		time.Sleep(time.Minute)
		start = time.Now()
		moves := uint64(0)
		hold("next", func() uint64 { moves++; return moves }).Give()
		if d, ok := stopped["still"]; !ok || d < 10*time.Second || d > 12*time.Second || len(stopped) != 1 {
			t.Errorf("stopped: %v, want the one that stood still after ten seconds", stopped)
		}
		time.Sleep(time.Minute)
		if len(stopped) != 1 {
			t.Errorf("stopped: %v", stopped)
		}
		slow.Give()
	})
}

// Whatever becomes of a long line, its memory is given back: written, dropped as the
// program wants no more, or given up while it waits.
//
// Verifies: EXEC-07
func TestLongLineGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLongLines(1<<30, func() {})
		text := func(n int) []byte { return append([]byte(strings.Repeat("x", n)), '\n') }
		put := func(ctx context.Context, s *Source, n int) {
			share, err := l.Take(t.Context(), int64(n), nil, nil)
			if err != nil {
				t.Error(err)
				return
			}
			s.Put(ctx, text(n), share, 0)
		}
		in, program := newInput(t)
		s := in.NewSource()
		put(t.Context(), s, LongLine+1)
		moved := l.given[0]
		program.line()
		synctest.Wait()
		if l.held != 0 || moved.moved.Load() != LongLine/piece {
			t.Errorf("written: %d bytes are held, it has moved %d times", l.held, moved.moved.Load())
		}
		put(t.Context(), s, LongLine+1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		put(ctx, s, LongLine+1) // behind the other, until ctx ends
		if l.held != LongLine+1 {
			t.Errorf("given up: %d bytes are held", l.held)
		}
		go put(t.Context(), s, LongLine+1)
		synctest.Wait()
		in.Close()
		synctest.Wait()
		put(t.Context(), s, LongLine+1) // nobody wants it
		if l.held != 0 {
			t.Errorf("closed: %d bytes are held", l.held)
		}
	})
}

// A program's lines, by length; a long one has leave before it is one, and gives it
// back when it has been taken.
//
// Verifies: EXEC-07
func TestLines(t *testing.T) {
	l := NewLongLines(1<<20, func() {})
	leaves := 0
	all := []string{"a", "", strings.Repeat("b", LongLine), strings.Repeat("c", LongLine+1), strings.Repeat("d", 5*LongLine), "e", strings.Repeat("f", 5*LongLine+1), "without end"}
	r := newLines(strings.NewReader(strings.Join(all, "\n")), 5*LongLine, func() (*Share, error) {
		leaves++
		return l.Take(t.Context(), 1<<20, nil, nil)
	})
	var got []string
	err := r.each(func(line []byte, long int) error {
		if long > 0 {
			got = append(got, "long")
		} else {
			got = append(got, string(line))
		}
		if isLong := len(line) > LongLine; isLong != (l.held > 0) && long == 0 {
			t.Errorf("a line of %d bytes, %d are held", len(line), l.held)
		}
		return nil
	})
	all[6] = "long"
	if err != nil || len(got) != len(all) {
		t.Fatalf("%v, %d lines", err, len(got))
	}
	for i := range all {
		if got[i] != all[i] {
			t.Errorf("line %d: %.20q, want %.20q", i, got[i], all[i])
		}
	}
	if leaves != 3 || l.held != 0 {
		t.Errorf("%d leaves, %d bytes are held", leaves, l.held)
	}
	enough := errors.New("enough")
	r = newLines(strings.NewReader(all[4]+"\n"+all[4]), 5*LongLine, r.leave)
	if err := r.each(func([]byte, int) error { return enough }); err != enough || l.held != 0 {
		t.Errorf("%v, %d bytes are held", err, l.held)
	}
	r = newLines(strings.NewReader(all[4]), 5*LongLine, func() (*Share, error) { return nil, io.ErrClosedPipe })
	if err := r.each(func([]byte, int) error { t.Error("a line without leave"); return nil }); err != io.ErrClosedPipe {
		t.Error(err)
	}
}
