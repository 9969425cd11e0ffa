package main

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/parley-net/parley/cmd/parley/internal/screen"
)

// terminal is a program at a pseudo-terminal, and the screen of it.
type terminal struct {
	t      *testing.T
	master *os.File
	screen *screen.Screen
	cmd    *exec.Cmd
	ended  chan struct{}
}

// atTerminal runs parley at a terminal of 70 × 12 characters.
func atTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	return atTerminalWith(t, nil, args...)
}

// atTerminalWith does so with more variables.
func atTerminalWith(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	return atTerminalOf(t, 70, 12, env, args...)
}

// atTerminalOf does so at one of another size, which it has from the beginning.
func atTerminalOf(t *testing.T, width, height int, env []string, args ...string) *terminal {
	t.Helper()
	master, tty := openTerminal(t)
	defer tty.Close()
	term := &terminal{t: t, master: master, screen: screen.New(width, height), ended: make(chan struct{})}
	term.resize(width, height)
	program := "parley"
	if args[0] == "-c" {
		program = "sh"
	}
	term.cmd = exec.Command(program, args...)
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = tty, tty, tty
	// A terminal without frills, which the screen understands all of.
	term.cmd.Env = append(os.Environ(), "TERM=vt100", "XDG_STATE_HOME="+t.TempDir(), "PARLEY_CONFIG=/nowhere")
	term.cmd.Env = append(term.cmd.Env, env...)
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		io.Copy(term.screen, master) // until the program has closed its end
	}()
	go func() {
		term.cmd.Wait()
		<-drawn
		close(term.ended)
	}()
	t.Cleanup(func() {
		term.cmd.Process.Kill()
		<-term.ended
		master.Close()
	})
	return term
}

// openTerminal opens a pseudo-terminal. A Close of master ends its Read.
func openTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	blocking, tty, err := pty.Open()
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "ptmx"), tty
}

// resize changes the size of the terminal, as a window does.
func (term *terminal) resize(width, height int) {
	term.t.Helper()
	term.screen.Resize(width, height)
	if err := pty.Setsize(term.master, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)}); err != nil {
		term.t.Fatal(err)
	}
}

// types types keys; \r is Enter.
func (term *terminal) types(keys string) {
	term.t.Helper()
	if _, err := io.WriteString(term.master, keys); err != nil {
		term.t.Fatal(err)
	}
}

// shows waits until the screen matches a regular expression, in which ^ and $
// are the ends of rows.
func (term *terminal) shows(re string) {
	term.t.Helper()
	if err := term.screen.Await(regexp.MustCompile("(?m)"+re), patience); err != nil {
		term.t.Fatal(err)
	}
}

// ends waits for the end, checks the exit code, and that nothing foreign has
// reached the terminal and that it has been given back as it was.
func (term *terminal) ends(code int) {
	term.t.Helper()
	select {
	case <-term.ended:
	case <-time.After(patience):
		term.t.Fatalf("parley does not end; the screen:\n%s", term.screen)
	}
	if got := term.cmd.ProcessState.ExitCode(); got != code {
		term.t.Errorf("exit code %d, want %d; the screen:\n%s", got, code, term.screen)
	}
	if f := term.screen.Foreign(); f != nil {
		term.t.Errorf("foreign control sequences reached the terminal: %q", f)
	}
	state, err := unix.IoctlGetTermios(int(term.master.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	if cooked := uint32(unix.ICANON | unix.ECHO | unix.ISIG); state.Lflag&cooked != cooked {
		term.t.Error("the terminal is still raw")
	}
}
