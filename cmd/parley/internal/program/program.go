// Package program runs the programs of serve --exec: processes that read lines
// and print lines, and that end with whom they are for.
package program

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lastGrace is the most that a program gets between SIGTERM and SIGKILL. Its
	// input has ended long before.
	lastGrace = 600 * time.Millisecond
	// quietTime is how long a program that reads may print nothing at all before it
	// is taken for one that holds its output back.
	quietTime = 2 * time.Second
)

// Program is a running program whose lines are messages. Set the exported fields
// before Start.
type Program struct {
	Cmd      *exec.Cmd
	Family   *Family       // whom it belongs to
	Grace    time.Duration // to end by itself
	MaxLine  int           // the longest line read, in bytes
	SkipLong bool          // a longer one is lost; otherwise the program is ended
	Log      *slog.Logger  // is told what becomes of it
	Says     *slog.Logger  // has its standard error; no line is lost but by Stderr's bound
	Stderr   *Stderr       // bounds that, over all programs
	Long     *LongLines    // has room for those of its output
	Left     func() uint64 // tells whether what was printed moves on; or nil
	Stop     func(error)   // ends whom a long line is for, if it does not
	Line     func([]byte)  // takes a line of its output, which it may not keep
	Quiet    func()        // is told that it reads and prints nothing
	Ended    func()        // is called when it is over

	Input *Input // from Start on

	stdin, stdout, stderr *os.File

	printed atomic.Bool
	quiet   *time.Timer
	lost    lost

	ending  sync.Once       // End
	ended   atomic.Bool     // End was called: nobody waits for what it still prints
	reading atomic.Bool     // its output is waited for
	reads   atomic.Uint64   // of its output
	closed  context.Context // done when its streams are
	close   func()          // ends closed
	output  sync.WaitGroup  // those who read what it prints
	exited  chan struct{}   // closed when it, not what it has started, has ended
	over    chan struct{}   // closed when all it has printed is through too
	status  error           // how it has ended
}

// Start starts the program.
func (p *Program) Start() error {
	p.closed, p.close = context.WithCancel(context.Background())
	theirs, err := p.pipes()
	if err != nil {
		return fmt.Errorf("--exec: %w", err)
	}
	err = p.Family.Start(p.Cmd)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		p.closePipes()
		return fmt.Errorf("--exec: %w", err)
	}
	pid := p.Cmd.Process.Pid
	p.Log = p.Log.With("pid", pid)
	says := p.Says.With("pid", pid)
	p.Log.Info("program started")
	p.quiet = time.AfterFunc(quietTime, p.isQuiet)
	p.quiet.Stop()
	p.Input = &Input{w: p.stdin, taken: p.hasRead}
	p.exited, p.over = make(chan struct{}), make(chan struct{})
	p.output.Go(p.readOutput)
	p.output.Go(func() { p.Stderr.read(p.stderr, says) })
	go p.wait()
	return nil
}

// pipes connects the program's streams. It returns the program's ends.
func (p *Program) pipes() (theirs []*os.File, err error) {
	var ends [6]*os.File
	for i := 0; i < len(ends); i += 2 {
		if ends[i], ends[i+1], err = os.Pipe(); err != nil {
			for _, f := range ends[:i] {
				f.Close()
			}
			return nil, err
		}
	}
	p.Cmd.Stdin, p.stdin = ends[0], ends[1]
	p.stdout, p.Cmd.Stdout = ends[2], ends[3]
	p.stderr, p.Cmd.Stderr = ends[4], ends[5]
	return []*os.File{ends[0], ends[3], ends[5]}, nil
}

func (p *Program) closePipes() {
	p.close()
	if p.Input != nil {
		p.Input.Close()
	}
	p.stdin.Close()
	p.stdout.Close()
	p.stderr.Close()
}

// hasRead notes that a line has been written to the program.
func (p *Program) hasRead(lines uint64) {
	if lines == 1 && !p.printed.Load() {
		p.quiet.Reset(quietTime)
	}
}

// isQuiet tells that the program has read and printed nothing.
func (p *Program) isQuiet() {
	switch {
	case p.printed.Load() || p.isOver():
	case unread(p.stdin) > 0: // it is only slow
		p.quiet.Reset(quietTime)
	default:
		p.Quiet()
	}
}

func (p *Program) isOver() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// wait waits for the program's end, and then for the end of its output.
func (p *Program) wait() {
	p.status = p.Cmd.Wait()
	close(p.exited)
	printed := make(chan struct{})
	go func() {
		p.output.Wait()
		close(printed)
	}()
	p.untilPrinted(printed)
	p.closePipes()
	<-printed
	p.quiet.Stop()
	p.lost.tell(p.Log)
	if p.status != nil {
		p.Log.Warn("program ended", "status", p.status)
	} else {
		p.Log.Info("program ended", "status", "ok")
	}
	p.Family.Forget(p.Cmd)
	close(p.over)
	p.Ended()
}

// untilPrinted waits until all that the program has printed is through. Something that
// it has started may hold its output, and is ended; something that has left its group
// may hold it still, and is not waited for.
func (p *Program) untilPrinted(printed <-chan struct{}) {
	for {
		reads := p.reads.Load()
		select {
		case <-printed:
			return
		case <-time.After(max(p.Grace, 100*time.Millisecond)):
			killGroup(p.Cmd)
		}
		if p.ended.Load() || p.reading.Load() && p.reads.Load() == reads {
			return
		}
	}
}

// Over returns a channel that is closed when the program has ended and all it has
// printed is through.
func (p *Program) Over() <-chan struct{} { return p.over }

// Status says how the program has ended, when it is over; nil if well.
func (p *Program) Status() error { return p.status }

// End makes the program end: by the end of its input, by SIGTERM, by SIGKILL.
// It returns when it is over.
func (p *Program) End() { p.ending.Do(p.end) }

func (p *Program) end() {
	p.ended.Store(true)
	p.Input.CloseAfter()
	if !p.exitsIn(p.Grace) {
		terminateGroup(p.Cmd)
		if !p.exitsIn(min(p.Grace, lastGrace)) {
			p.Log.Warn("program killed: it did not end", "grace", p.Grace)
		}
	}
	killGroup(p.Cmd) // and what it has left behind
	<-p.over
}

func (p *Program) exitsIn(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}
