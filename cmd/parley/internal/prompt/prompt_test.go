package prompt

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/screen"
)

// bench is a prompt on a screen that is none.
type bench struct {
	t      *testing.T
	p      *Prompt
	screen *screen.Screen
	keys   *io.PipeWriter
	lines  chan string // what ReadLine returns; its error behind "!"
}

// newBench returns a prompt that reads lines until an error.
func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	b := &bench{t: t, screen: screen.New(20, 6), lines: make(chan string, 10)}
	r, w := io.Pipe()
	b.keys = w
	t.Cleanup(func() { w.Close() })
	o.Size = b.screen.Size
	b.p = New(r, b.screen, o)
	go func() {
		for {
			line, err := b.p.ReadLine()
			if err != nil {
				b.lines <- "!" + err.Error()
				return
			}
			b.lines <- line
		}
	}()
	b.shows("> \n")
	return b
}

// types types keys.
func (b *bench) types(keys string) {
	b.t.Helper()
	if _, err := io.WriteString(b.keys, keys); err != nil {
		b.t.Fatal(err)
	}
}

// shows waits until the screen shows text and nothing else.
func (b *bench) shows(text string) {
	b.t.Helper()
	rows := strings.Split(text, "\n")
	for i, row := range rows {
		rows[i] = regexp.QuoteMeta(strings.TrimRight(row, " "))
	}
	if err := b.screen.Await(regexp.MustCompile("^"+strings.Join(rows, "\n")+"$"), time.Minute); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) returns(want string) {
	b.t.Helper()
	select {
	case got := <-b.lines:
		if got != want {
			b.t.Fatalf("ReadLine: got %q, want %q", got, want)
		}
	case <-time.After(time.Minute):
		b.t.Fatalf("ReadLine did not return %q", want)
	}
}

func TestIncomingNeverBreaksTheLine(t *testing.T) {
	b := newBench(t, Options{})
	b.types("half")
	b.shows("> half\n")
	fmt.Fprintln(b.p, "incoming")
	b.shows("incoming\n> half\n")
	b.types(" a line")
	b.shows("incoming\n> half a line\n")
	b.types("\x1b[D\x1b[D\x1b[D\x1b[D") // the cursor in the middle
	fmt.Fprintln(b.p, "second")
	b.shows("incoming\nsecond\n> half a line\n")
	b.types("X")
	b.shows("incoming\nsecond\n> half a Xline\n")
	if x, y := b.screen.Cursor(); x != len("> half a X") || y != 2 {
		t.Errorf("the cursor is at %d, %d", x, y)
	}
	b.types("\r")
	b.returns("half a Xline")
	b.shows("incoming\nsecond\n> half a Xline\n> \n")
	if f := b.screen.Foreign(); f != nil {
		t.Errorf("foreign sequences %q", f)
	}
}

func TestIncomingWithALongLine(t *testing.T) {
	b := newBench(t, Options{})
	b.types("a line longer than the screen")
	b.shows("> a line longer than\n the screen\n")
	fmt.Fprintln(b.p, "incoming")
	b.shows("incoming\n> a line longer than\n the screen\n")
	b.types("\r")
	b.returns("a line longer than the screen")
}

func TestResize(t *testing.T) {
	b := newBench(t, Options{})
	b.types("twelve chars")
	b.shows("> twelve chars\n")
	b.screen.Resize(40, 6)
	b.types(", and a lot more of them")
	b.shows("> twelve chars, and a lot more of them\n")
	b.types("\r")
	b.returns("twelve chars, and a lot more of them")
}

func TestEndOfInput(t *testing.T) {
	b := newBench(t, Options{})
	b.types("line\rmore\x04\x15\x04") // in a line Ctrl-D deletes; Ctrl-U removes the line
	b.returns("line")
	b.returns("!" + io.EOF.Error())
}

func TestInterrupt(t *testing.T) {
	hit := make(chan struct{})
	b := newBench(t, Options{Interrupt: func() { close(hit) }})
	b.types("half\x03")
	b.returns("!" + ErrInterrupted.Error())
	<-hit
}

func TestClose(t *testing.T) {
	b := newBench(t, Options{})
	b.types("half")
	b.shows("> half\n")
	if err := b.p.Close(); err != nil {
		t.Fatal(err)
	}
	b.shows("\n")
	if x, _ := b.screen.Cursor(); x != 0 {
		t.Errorf("the cursor is in column %d", x)
	}
}

func TestComplete(t *testing.T) {
	b := newBench(t, Options{Complete: func(begun string) []string {
		var fits []string
		for _, s := range []string{"/help", "/hex", "/mode 1", "/mode 2", "int:"} {
			if strings.HasPrefix(s, begun) {
				fits = append(fits, s)
			}
		}
		return fits
	}})
	b.types("i\t5")
	b.shows("> int:5\n")
	b.types("\r/h\t")
	b.returns("int:5")
	b.shows("> int:5\n> /he\n")
	b.types("\t")
	b.shows("> int:5\n/help  /hex\n> /he\n")
	b.types("x\t")
	b.shows("> int:5\n/help  /hex\n> /hex\n")
	b.types("\x15/m\t\t")
	b.shows("> int:5\n/help  /hex\n1  2\n> /mode\n")
	b.types("2\x01\x1b[C\t") // with the cursor behind the first letter
	b.shows("> int:5\n/help  /hex\n1  2\n/help  /hex  /mode 1\n  /mode 2\n> /mode 2\n")
}

func TestRecall(t *testing.T) {
	h, err := OpenHistory(t.TempDir() + "/history")
	if err != nil {
		t.Fatal(err)
	}
	h.Add("from before")
	b := newBench(t, Options{History: h})
	b.types("now\r")
	b.returns("now")
	b.types("\x1b[A\x1b[A\r")
	b.returns("from before")
	if want := []string{"from before", "now", "from before"}; !slices.Equal(h.lines, want) {
		t.Errorf("history %q, want %q", h.lines, want)
	}
	if err := h.Err(); err != nil {
		t.Error(err)
	}
}

func TestReadError(t *testing.T) {
	b := newBench(t, Options{})
	b.keys.CloseWithError(errors.New("gone"))
	b.returns("!gone")
}
