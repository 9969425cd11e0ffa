package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// perSource is how many bytes of a source wait for the program, at most, or
	// one line that is longer; together is how many of all of them do.
	perSource = 64 << 10
	together  = 16 << 20
	// piece is what is written at a time of a line that has a share.
	piece = 64 << 10
)

// ErrNotReading: the program has not taken anything for as long as a source
// waits.
var ErrNotReading = errors.New("--exec: the program has not read its standard input")

// Input is the standard input of a program. Its sources have their turns, line by
// line, so that none of them can keep the program for itself.
type Input struct {
	w     io.WriteCloser
	taken func(lines uint64) // is told when the program has taken a line; or nil

	mu       sync.Mutex
	turns    []*Source // those that have lines queued
	held     int       // bytes that are queued, of all
	standing []*Source // those whose first wait is for room among all, the longest wait first
	writing  bool      // there is a goroutine that writes
	closing  bool      // close it when all is written
	closed   bool
	read     time.Time // when the program has last taken a line
	lines    uint64    // that it has taken
}

// Source is one that writes lines to an Input.
type Source struct {
	in       *Input
	lines    []line                // queued for the program
	held     int                   // bytes of lines
	waiting  []*wait               // for room, in their order
	standing bool                  // it is in in.standing
	over     atomic.Pointer[error] // why a line was not queued, as the context had ended
}

// line is a line that waits, with the share that a long one has.
type line struct {
	text  []byte
	share *Share
}

// wait is a line for which there is no room yet.
type wait struct {
	line  line
	taken chan struct{} // closed when it is queued
}

// NewSource returns a source without lines.
func (in *Input) NewSource() *Source { return &Source{in: in} }

// Put queues text, a line that is the Input's from then on, as its share is (nil: it has
// none), and waits for room as long
// as ctx and, if it is not zero, limit: no longer than the program takes nothing.
// That the program does not want any more is no error. Behind a line that was given up
// with its context none is queued, so that what the program reads has no gap.
func (s *Source) Put(ctx context.Context, text []byte, share *Share, limit time.Duration) error {
	if err := s.over.Load(); err != nil {
		share.Give()
		return *err
	}
	in := s.in
	w := &wait{line{text, share}, make(chan struct{})}
	in.mu.Lock()
	s.waiting = append(s.waiting, w)
	in.stand(s)
	in.mu.Unlock()
	select {
	case <-w.taken:
		return nil
	default:
	}
	defer s.giveUp(w)
	began := time.Now()
	for {
		var late <-chan time.Time
		if limit > 0 {
			late = time.After(limit - time.Since(in.lastRead(began)))
		}
		select {
		case <-w.taken:
			return nil
		case <-ctx.Done():
			err := context.Cause(ctx)
			s.over.Store(&err)
			return err
		case <-late:
			if time.Since(in.lastRead(began)) >= limit {
				return fmt.Errorf("%w for %v", ErrNotReading, limit)
			}
		}
	}
}

// lastRead is when the program has last taken a line, or began if that is later.
func (in *Input) lastRead(began time.Time) time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.read.After(began) {
		return in.read
	}
	return began
}

// PutAtOnce queues a line whether or not there is room: for the few that must not
// wait.
func (s *Source) PutAtOnce(text []byte) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.queue(s, line{text: text})
}

// giveUp takes w out of the queue if it is still in it.
func (s *Source) giveUp(w *wait) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	i := slices.Index(s.waiting, w)
	if i < 0 {
		return
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	w.line.share.Give()
	s.in.stand(s) // it may have stood in the others' way
}

// What follows is called with the lock held.

// blocked reports whether a source's own share leaves no room for its first wait. A
// line that is longer than the share has room when nothing else of the source is queued.
func (s *Source) blocked() bool {
	return s.held > 0 && s.held+len(s.waiting[0].line.text) > perSource
}

func (in *Input) queue(s *Source, ln line) {
	if in.closed {
		ln.share.Give()
		return
	}
	if len(s.lines) == 0 {
		in.turns = append(in.turns, s)
	}
	s.lines = append(s.lines, ln)
	s.held += len(ln.text)
	in.held += len(ln.text)
	if !in.writing {
		in.writing = true
		go in.write()
	}
}

// stand has a source stand for room among all, if it waits for that and not for its
// own share, and queues the lines for which there is room. Its cost does not depend
// on how many others wait.
func (in *Input) stand(s *Source) {
	if !s.standing && len(s.waiting) > 0 && (in.closed || !s.blocked()) {
		s.standing = true
		in.standing = append(in.standing, s)
	}
	in.admit()
}

// admit queues lines of those that stand, one of each in turn, as long as there is
// room. The first that finds none keeps its place, so that a long line has its turn
// too: one that is longer than all may queue has it when nothing is queued.
func (in *Input) admit() {
	for len(in.standing) > 0 {
		s := in.standing[0]
		ready := len(s.waiting) > 0 && (in.closed || !s.blocked())
		if ready {
			w := s.waiting[0]
			if !in.closed && in.held > 0 && in.held+len(w.line.text) > together {
				return
			}
			s.waiting = slices.Delete(s.waiting, 0, 1)
			in.queue(s, w.line)
			close(w.taken)
			ready = len(s.waiting) > 0 && (in.closed || !s.blocked())
		}
		in.standing[0] = nil
		in.standing = in.standing[1:]
		if s.standing = ready; ready {
			in.standing = append(in.standing, s)
		}
	}
}

// write writes what waits, until nothing does.
func (in *Input) write() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.turns) > 0 && !in.closed {
		s := in.turns[0]
		ln := s.lines[0]
		in.mu.Unlock()
		err := in.writeLine(ln)
		ln.share.Give()
		in.mu.Lock()
		if err != nil {
			in.close() // it does not want any more
		}
		if in.closed { // perhaps by another meanwhile: nothing has a turn any more
			break
		}
		in.read = time.Now()
		if in.lines++; in.taken != nil {
			in.taken(in.lines)
		}
		s.lines[0] = line{} // which is large
		s.lines = s.lines[1:]
		s.held -= len(ln.text)
		in.held -= len(ln.text)
		in.turns = in.turns[1:]
		if len(s.lines) > 0 {
			in.turns = append(in.turns, s)
		}
		in.stand(s)
	}
	in.writing = false
	if in.closing {
		in.close()
	}
}

// writeLine writes a line, a long one piece by piece so that its share tells how it
// moves on. It is called without the lock.
func (in *Input) writeLine(ln line) error {
	text := ln.text
	for ln.share != nil && len(text) > piece {
		if _, err := in.w.Write(text[:piece]); err != nil {
			return err
		}
		ln.share.Moved()
		text = text[piece:]
	}
	_, err := in.w.Write(text)
	return err
}

// close closes the stream; what waits is dropped.
func (in *Input) close() {
	if in.closed {
		return
	}
	in.closed = true
	queued := in.turns
	in.turns = nil
	for _, s := range queued {
		for _, ln := range s.lines {
			ln.share.Give()
		}
		s.lines, s.held = nil, 0
		in.stand(s) // who waited for its own share waits no more
	}
	in.admit()
	in.w.Close()
}

// CloseAfter closes the program's standard input when what waits is written.
func (in *Input) CloseAfter() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closing = true
	if !in.writing {
		in.close()
	}
}

// Close closes the program's standard input now.
func (in *Input) Close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.close()
}
