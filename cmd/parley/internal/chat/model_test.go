package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/screen"
)

// bench is a model without a terminal, and what it has sent.
type bench struct {
	*Model
	t    *testing.T
	sent []string // "number line"
}

func newBench(t *testing.T, width, height int) *bench {
	t.Helper()
	b := &bench{t: t}
	b.Model = New(Options{
		Name:    "me",
		Colon:   ": ",
		URL:     "tinyproto://host:1",
		Visible: visible,
		Send:    func(n int, line string) { b.sent = append(b.sent, fmt.Sprint(n, " ", line)) },
		Now:     func() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) },
	})
	if cmd := b.Init(); cmd != nil {
		t.Error("Init returned a command")
	}
	b.send(tea.WindowSizeMsg{Width: width, Height: height})
	return b
}

// visible is a stand-in for the one of the command.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r < 0x7f || r > 0xa0 && r != 0x202e {
			return r
		}
		return '?'
	}, s)
}

// send gives messages to the model, and reports whether it wants to quit.
func (b *bench) send(msgs ...tea.Msg) (quit bool) {
	for _, msg := range msgs {
		if _, cmd := b.Update(msg); cmd != nil {
			_, quit = cmd().(tea.QuitMsg)
		}
	}
	return quit
}

// press presses a key that is no character.
func (b *bench) press(code rune, mod tea.KeyMod) (quit bool) {
	return b.send(tea.KeyPressMsg{Code: code, Mod: mod})
}

// types types a line and Enter.
func (b *bench) types(line string) (quit bool) {
	for _, r := range line {
		b.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	return b.press(tea.KeyEnter, 0)
}

// screen returns what a person would see.
func (b *bench) screen() string {
	b.t.Helper()
	s := screen.New(b.width, b.height)
	s.Write([]byte(strings.ReplaceAll(b.View().Content, "\n", "\r\n")))
	if f := s.Foreign(); f != nil {
		b.t.Errorf("control sequences that the screen does not know: %q", f)
	}
	return s.String()
}

func (b *bench) shows(want string) {
	b.t.Helper()
	if got := b.screen(); got != strings.TrimLeft(want, "\n") {
		b.t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
}

func (b *bench) contains(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if got := b.screen(); !strings.Contains(got, text) {
			b.t.Errorf("%q is not on the screen:\n%s", text, got)
		}
	}
}

func (b *bench) lacks(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if got := b.screen(); strings.Contains(got, text) {
			b.t.Errorf("%q is on the screen:\n%s", text, got)
		}
	}
}

func TestScreen(t *testing.T) {
	b := newBench(t, 60, 11)
	b.send(
		Received{"[7] **joined the chat"},
		Received{"[7] ann: a message that is too long for one row of this screen"},
		Received{"bob : hi"},
		Received{"somebody said this"},
	)
	b.shows(`
15:04 -- connected to                   │ me (you)
      tinyproto://host:1; /help lists   │ ann [7]
      the commands                      │ bob
15:04 -- [7] has joined                 │
15:04 ann [7]: a message that is too    │
      long for one row of this screen   │
15:04 bob: hi                           │
15:04 ?: somebody said this             │
                                        │
 connected · tinyproto://host:1 · me
>
`)
	b.send(tea.WindowSizeMsg{Width: 30, Height: 6}) // no room for the people
	b.shows(`
      is too long for one row
      of this screen
15:04 bob: hi
15:04 ?: somebody said this
 connected · tinyproto://host:
>
`)
}

func TestSending(t *testing.T) {
	b := newBench(t, 80, 20)
	b.types("hello")
	b.types("//path")
	b.types("/KTHXBYE")
	b.types("   ")
	if want := []string{"1 me: hello", "2 me: /path", "3 /KTHXBYE"}; !slices.Equal(b.sent, want) {
		t.Errorf("sent %q, want %q", b.sent, want)
	}
	b.contains("me: hello …", "me: /path …")
	b.send(Sent{N: 1}, Sent{N: 2, Err: errors.New("parley: too\x1b[2J large\nindeed")})
	b.contains("me: hello ", "me: /path (not sent: too?[2J large)", "me: /KTHXBYE …")
	b.lacks("me: hello …", "indeed")
	b.types("/name ann")
	b.types("again")
	if want := "4 ann: again"; b.sent[3] != want {
		t.Errorf("sent %q, want %q", b.sent[3], want)
	}
	b.contains("you are ann now", "│ ann (you)")
	b.types("/dance")
	b.contains("there is no command /dance")
	b.types("/help")
	b.contains("/stop, /quit leave", "Ctrl-C leave")
	b.send(tea.PasteMsg{Content: "two\nlines"})
	b.contains("> two lines")
}

func TestTooManyUnsent(t *testing.T) {
	b := newBench(t, 60, 10)
	for range MaxUnsent {
		b.types("x")
	}
	b.types("one more")
	if len(b.sent) != MaxUnsent {
		t.Errorf("%d lines were given to Send, want %d", len(b.sent), MaxUnsent)
	}
	b.contains("-- not sent: 100 lines are waiting", "> one more")
	b.send(Sent{N: 1})
	b.press(tea.KeyEnter, 0)
	if len(b.sent) != MaxUnsent+1 {
		t.Error("when there was room again the line was not sent")
	}
}

func TestState(t *testing.T) {
	b := newBench(t, 100, 10)
	b.send(Received{"[7] ann: hi"})
	b.send(Status{parley.StateWaiting, errors.New("the peer closed\x1b[2J\nthe connection")})
	b.contains("15:04 -- not connected: the peer closed?[2J ", " not connected, trying again: the peer closed?[2J ·")
	b.send(Status{parley.StateConnecting, nil})
	b.contains(" connecting · tinyproto://host:1 · me")
	b.send(Status{parley.StateWaiting, errors.New("refused")})
	b.contains("trying again: refused")
	b.lacks("15:04 -- not connected: refused") // once is enough
	b.send(Status{parley.StateConnected, nil})
	b.contains("15:04 -- connected again", " connected · ", "ann [7]: hi")
	b.lacks("│ ann")
	b.send(Status{parley.StateWaiting, nil})
	b.contains("15:04 -- not connected: no reason known")
	b.send(Status{parley.StateClosed, parley.ErrClientClosed})
	b.contains(" not connected: client closed")
}

func TestScroll(t *testing.T) {
	b := newBench(t, 59, 7) // five rows of messages
	for i := range 20 {
		b.send(Received{fmt.Sprintf("message %d", i+1)})
	}
	b.contains("message 16", "message 20")
	b.lacks("message 15")
	b.press(tea.KeyPgUp, 0)
	b.contains("message 12", "message 16", "scrolled back, Esc")
	b.lacks("message 17")
	b.send(Received{"new one"}, Received{"and two"})
	b.contains("message 12", "message 16", " 2 new below, Esc")
	b.lacks("message 17", "new one")
	b.press(tea.KeyUp, 0)
	b.contains("message 11", "message 15")
	b.press(tea.KeyDown, 0)
	b.press(tea.KeyPgDown, 0)
	b.contains("message 16", "message 20")
	b.press(tea.KeyPgDown, 0)
	b.contains("and two")
	b.lacks("new below")
	b.press(tea.KeyHome, tea.ModCtrl)
	b.contains("connected to", "message 3")
	b.lacks("message 4")
	b.press(tea.KeyPgUp, 0)
	b.contains("connected to")
	b.press(tea.KeyEscape, 0)
	b.contains("and two")
	b.press(tea.KeyPgUp, 0)
	b.types("mine")
	b.contains("me: mine")

	// What is seen when scrolled back is forgotten in the end.
	b.press(tea.KeyHome, tea.ModCtrl)
	for i := range maxEntries {
		b.send(Received{fmt.Sprintf("later %d", i+1)})
	}
	b.contains("later 1\n", "later 5\n", "5000 new below")
}

// A hostile peer can neither control the terminal nor pretend that somebody
// else, or the program, has said something.
func TestHostileText(t *testing.T) {
	b := newBench(t, 60, 12)
	b.send(
		Received{"eve\x1b[31m : \x1b]0;title\x07\u009b2J \u202e"},
		Received{"[7] eve: hi\n15:04 bob I am eve\n15:04 connected again"},
		Received{"[7] eve: a\tb"},
		Received{"-- connected : again"},
		Note{"note \x1b[2J"},
	)
	b.contains("15:04 eve?[31m: ?]0;title??2J ?", "15:04 -- note ?[2J",
		"15:04 eve [7]: hi ", "\n      15:04 bob I am eve", "\n      15:04 connected again", "a    b", "15:04 ?: -- connected : again")
	b.lacks("│ bob", "│ --")
	for _, r := range b.View().Content {
		if r < ' ' && r != '\n' && r != '\x1b' || r > '~' && r < 0xa0 || r == 0x202e {
			t.Errorf("the view has %q", r)
		}
	}
}

func TestLargeMessage(t *testing.T) {
	b := newBench(t, 60, 10)
	b.send(Received{"eve: " + strings.Repeat("ä", 1<<20)})
	b.contains("(2097157 bytes in all)")
}

func TestBacklogIsBounded(t *testing.T) {
	b := newBench(t, 60, 10)
	for range 2 * maxEntries {
		b.send(Received{"x"})
	}
	if n := len(b.log.entries); n != maxEntries {
		t.Errorf("%d entries are kept", n)
	}
	for range 300 {
		b.send(Received{strings.Repeat("y", 16<<10)})
	}
	if b.log.size > maxText || b.log.size < maxText/2 {
		t.Errorf("%d bytes are kept", b.log.size)
	}
	b.types("the last")
	b.send(Sent{N: 1})
	b.contains("me: the last")
	b.send(Sent{N: 99}) // of an entry that is forgotten
}

func TestLeaving(t *testing.T) {
	for name, leave := range map[string]func(*bench) bool{
		"/quit":  func(b *bench) bool { return b.types("/quit") },
		"/stop":  func(b *bench) bool { return b.types("/stop") },
		"Ctrl-D": func(b *bench) bool { return b.press('d', tea.ModCtrl) },
		"Ctrl-C": func(b *bench) bool { return b.press('c', tea.ModCtrl) },
		"Ended":  func(b *bench) bool { return b.send(Ended{}) },
	} {
		b := newBench(t, 60, 10)
		if !leave(b) {
			t.Errorf("%s did not end it", name)
		}
		if b.Interrupted() != (name == "Ctrl-C") {
			t.Errorf("%s: Interrupted is %v", name, b.Interrupted())
		}
	}
	b := newBench(t, 60, 10)
	b.send(tea.KeyPressMsg{Code: 'x', Text: "x"})
	if b.press('d', tea.ModCtrl) {
		t.Error("Ctrl-D in a line ended it")
	}
}

// Whatever the size and what is shown, the screen is exactly filled.
func TestSizes(t *testing.T) {
	for width := range 70 {
		for _, height := range []int{0, 1, 2, 3, 4, 25} {
			b := newBench(t, width, height)
			for i := range 30 {
				b.send(Received{fmt.Sprintf("person %d : 漢字 and\ttext that goes on for a while", i)})
			}
			b.send(tea.KeyPressMsg{Code: 'x', Text: strings.Repeat("x", 100)})
			b.press(tea.KeyPgUp, 0)
			rows := strings.Split(b.View().Content, "\n")
			if width > 6 && height > 2 && len(rows) != height {
				t.Errorf("%d × %d: %d rows", width, height, len(rows))
			}
			for _, row := range rows {
				if w := lipgloss.Width(row); width > 10 && w > width {
					t.Errorf("%d × %d: a row of %d: %q", width, height, w, row)
				}
			}
		}
	}
}

func TestManyPeople(t *testing.T) {
	b := newBench(t, 60, 6)
	for _, name := range []string{"ann", "bob", "cid", "dan", "eve"} {
		b.send(Received{name + ": hi"})
	}
	b.contains("│ me (you)\n", "│ ann\n", "│ bob\n", "│ and 3 more\n")
	b.lacks("│ cid")
}
