package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// readOutput takes every line that the program prints.
func (p *Program) readOutput() {
	r := newLines(counted{p.stdout, p}, p.MaxLine, p.leave)
	err := r.each(func(line []byte, long int) error {
		if p.printed.CompareAndSwap(false, true) {
			p.quiet.Stop()
		}
		switch {
		case long == 0:
			p.Line(line)
			return nil
		case p.SkipLong:
			p.NotSent(line, fmt.Errorf("it is longer than %.1f KiB: --max-message allows longer ones", float64(p.MaxLine)/1024))
			return nil
		}
		return fmt.Errorf("a line is longer than %.1f KiB: --max-message allows longer ones", float64(p.MaxLine)/1024)
	})
	if err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, context.Canceled) {
		p.Log.Warn("the program's output can't be read, it is ended", "error", err)
		killGroup(p.Cmd)
	}
}

// counted counts what is read of a program's output.
type counted struct {
	*os.File
	p *Program
}

func (c counted) Read(b []byte) (int, error) {
	c.p.reading.Store(true)
	n, err := c.File.Read(b)
	c.p.reading.Store(false)
	c.p.reads.Add(1)
	return n, err
}

// leave waits for the memory that a long line may need, and what is made of it. The
// program waits meanwhile, if it prints more than its pipe has room for.
func (p *Program) leave() (*Share, error) {
	return p.Long.Take(p.closed, 2*int64(p.MaxLine), p.moved, p.Stop)
}

// moved counts what happens to what the program prints.
func (p *Program) moved() uint64 {
	n := p.reads.Load()
	if p.Left != nil {
		n += p.Left()
	}
	return n
}

// lines reads lines.
type lines struct {
	r       *bufio.Reader
	longest int
	leave   func() (*Share, error) // is asked before a line becomes long

	line  []byte
	long  int    // so long is the line that is skipped
	share *Share // of a long line
}

func newLines(r io.Reader, longest int, leave func() (*Share, error)) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), longest: longest, leave: leave}
}

// each calls f with each line, without its line feed. Of a line that has more than
// longest bytes f gets the beginning, at its end, and how many it was; then at once if
// it has no end yet.
func (l *lines) each(f func(line []byte, long int) error) error {
	defer l.next()
	for {
		part, err := l.r.ReadSlice('\n')
		whole := err == nil
		if ferr := l.add(bytes.TrimSuffix(part, []byte("\n")), whole, err == bufio.ErrBufferFull, f); ferr != nil {
			return ferr
		}
		if whole {
			l.next()
		}
		if err != nil && err != bufio.ErrBufferFull {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// add takes a part of a line: the last one if it is whole, or unless there is more.
func (l *lines) add(text []byte, whole, more bool, f func(line []byte, long int) error) error {
	switch n := len(l.line) + len(text); {
	case l.long > 0: // the rest of what is skipped
		l.long += len(text)
		return nil
	case n > l.longest:
		l.long = n
		l.line = append(l.line[:min(len(l.line), shown)], text[:min(len(text), shown)]...)
		return f(l.line, l.long)
	case whole && len(l.line) == 0:
		return f(text, 0)
	case n > LongLine && l.share == nil:
		var err error
		if l.share, err = l.leave(); err != nil {
			return err
		}
	}
	l.line = append(l.line, text...)
	if whole || !more && len(l.line) > 0 {
		return f(l.line, 0)
	}
	return nil
}

// next begins a line.
func (l *lines) next() {
	if cap(l.line) > LongLine {
		l.line = nil // an exception
	}
	l.line, l.long = l.line[:0], 0
	l.share.Give()
	l.share = nil
}
