package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"
)

// lastGrace is the most that a program gets between SIGTERM and SIGKILL. Its
// input has ended long before.
const lastGrace = 600 * time.Millisecond

// program is a running program whose lines are messages.
type program struct {
	cmd     *exec.Cmd
	grace   time.Duration // to end by itself
	maxLine int           // the longest line read
	log     *slog.Logger
	line    func([]byte) // takes a line of its output
	ended   func()       // is called when it is over

	stdin, stdout, stderr *os.File

	output sync.WaitGroup // those who read what it prints
	exited chan struct{}  // closed when it, not what it has started, has ended
	over   chan struct{}  // closed when all it has printed is through too
	status error          // how it has ended; read it when it is over
}

// start starts the program.
func (p *program) start() error {
	ownGroup(p.cmd)
	theirs, err := p.pipes()
	if err != nil {
		return fmt.Errorf("--exec: %w", err)
	}
	err = p.cmd.Start()
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		p.closePipes()
		return fmt.Errorf("--exec: %w", err)
	}
	p.log = p.log.With("pid", p.cmd.Process.Pid)
	p.log.Info("program started")
	p.exited, p.over = make(chan struct{}), make(chan struct{})
	p.output.Go(p.readOutput)
	p.output.Go(p.logStderr)
	go p.wait()
	return nil
}

// pipes connects the program's streams. It returns the program's ends.
func (p *program) pipes() (theirs []*os.File, err error) {
	var ends [6]*os.File
	for i := 0; i < len(ends); i += 2 {
		if ends[i], ends[i+1], err = os.Pipe(); err != nil {
			for _, f := range ends[:i] {
				f.Close()
			}
			return nil, err
		}
	}
	p.cmd.Stdin, p.stdin = ends[0], ends[1]
	p.stdout, p.cmd.Stdout = ends[2], ends[3]
	p.stderr, p.cmd.Stderr = ends[4], ends[5]
	return []*os.File{ends[0], ends[3], ends[5]}, nil
}

func (p *program) closePipes() {
	p.stdin.Close()
	p.stdout.Close()
	p.stderr.Close()
}

// write writes a line to the program. That the program does not want any more
// is no error; that it does not read within limit is one.
func (p *program) write(line []byte, limit time.Duration) error {
	p.stdin.SetWriteDeadline(time.Now().Add(limit))
	_, err := p.stdin.Write(line)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("--exec: the program has not read its standard input for %v", limit)
	case err != nil:
		p.log.Debug("the program does not read any more", "error", err)
	}
	return nil
}

// readOutput takes every line that the program prints.
func (p *program) readOutput() {
	lines := bufio.NewScanner(p.stdout)
	lines.Buffer(nil, p.maxLine+1) // and the line feed
	lines.Split(scanLines)
	for lines.Scan() {
		p.line(lines.Bytes())
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("a line is longer than %s: --max-message allows longer ones", amount(int64(p.maxLine)))
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		p.log.Warn("the program's output can't be read, it is ended", "error", err)
		killGroup(p.cmd)
	}
}

// scanLines is bufio.ScanLines, except that a carriage return stays.
func scanLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// notSent logs that a line is not the message it was meant to be.
func (p *program) notSent(line []byte, err error) {
	p.log.Warn("the program's line was not sent", "line", cut(string(line), 80), "error", err)
}

// stderrRate is how many lines of a program's standard error are logged in a
// second. The others are counted.
const stderrRate = 100

// logStderr logs what the program writes to standard error.
func (p *program) logStderr() {
	lines := bufio.NewReaderSize(p.stderr, 4096) // a longer line is logged in parts
	var second time.Time                         // when the current one began
	logged, leftOut := 0, 0
	tell := func() {
		if leftOut > 0 {
			p.log.Warn("program says too much", "lines left out", leftOut, "logged per second", stderrRate)
		}
		logged, leftOut = 0, 0
	}
	defer tell()
	for {
		line, err := lines.ReadSlice('\n')
		if text := bytes.TrimRight(line, "\r\n"); len(text) > 0 {
			if now := time.Now(); now.Sub(second) >= time.Second {
				second = now
				tell()
			}
			if logged++; logged <= stderrRate {
				p.log.Warn("program says", "stderr", string(text))
			} else {
				leftOut++
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// wait waits for the program's end, and then for the end of its output.
func (p *program) wait() {
	p.status = p.cmd.Wait()
	close(p.exited)
	printed := make(chan struct{})
	go func() {
		p.output.Wait()
		close(printed)
	}()
	select {
	case <-printed:
	case <-time.After(p.grace):
		// Something that the program has started still holds its output.
		killGroup(p.cmd)
	}
	p.closePipes()
	<-printed
	if p.status != nil {
		p.log.Warn("program ended", "status", p.status)
	} else {
		p.log.Info("program ended", "status", "ok")
	}
	close(p.over)
	p.ended()
}

// end makes the program end: by the end of its input, by SIGTERM, by SIGKILL.
// It returns when it is over.
func (p *program) end() {
	p.stdin.Close()
	if !p.exitsIn(p.grace) {
		terminateGroup(p.cmd)
		if !p.exitsIn(min(p.grace, lastGrace)) {
			p.log.Warn("program killed: it did not end", "grace", p.grace)
		}
	}
	killGroup(p.cmd) // and what it has left behind
	<-p.over
}

func (p *program) exitsIn(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}
