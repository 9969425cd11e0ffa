// Package screen is a small terminal for tests: it draws what a program writes
// and tells what a person would see. It knows the control sequences that line
// editors and full-screen programs need; others are noted as foreign, so that a
// test can prove that none got through. Every character is one column wide.
package screen

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Screen is a terminal's screen. Its methods may be called concurrently.
type Screen struct {
	mu            sync.Mutex
	width, height int
	cells         [][]rune
	broken        []bool // the row goes on in the next one, as it was too narrow
	x, y          int
	top, bottom   int      // the rows that scroll
	insert        bool     // characters push the rest of the row away
	wrap          bool     // the last column is written: the next character begins a new row
	pending       []byte   // the beginning of a sequence or character
	erased        []string // rows that were erased or written over, the newest last
	foreign       []string
	styles        map[string]bool
	changed       chan struct{}
}

// New returns an empty screen.
func New(width, height int) *Screen {
	s := &Screen{styles: make(map[string]bool), changed: make(chan struct{})}
	s.resize(width, height)
	return s
}

// Resize changes the size. What fits stays.
func (s *Screen) Resize(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resize(width, height)
}

func (s *Screen) resize(width, height int) {
	old := s.cells
	s.width, s.height = width, height
	s.top, s.bottom = 0, height-1
	s.cells, s.broken = make([][]rune, height), make([]bool, height)
	for y := range s.cells {
		s.cells[y] = []rune(strings.Repeat(" ", width))
		if y < len(old) {
			copy(s.cells[y], old[y])
		}
	}
	s.move(s.x, s.y)
}

// Size returns the size.
func (s *Screen) Size() (width, height int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width, s.height, nil
}

// Write draws what a program writes.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, p...)
	for {
		n := s.step(s.pending)
		if n == 0 {
			break
		}
		s.pending = s.pending[n:]
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return len(p), nil
}

// String returns the rows, without spaces at their ends and empty rows at the
// bottom.
func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text()
}

func (s *Screen) text() string {
	var b strings.Builder
	for _, row := range s.cells {
		b.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Cursor returns where the cursor is: column and row from 0.
func (s *Screen) Cursor() (x, y int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.x, s.y
}

// Foreign returns the control sequences that the screen does not know.
func (s *Screen) Foreign() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.foreign)
}

// lines is text with the rows put together that one line has been broken into.
func (s *Screen) lines() string {
	var b strings.Builder
	for y, row := range s.cells {
		if s.broken[y] {
			b.WriteString(string(row))
		} else {
			b.WriteString(strings.TrimRight(string(row), " ") + "\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Lines returns the rows as String does, but what was written as one line, and was too
// long for a row, as one: how long it was may depend on a path or a time zone.
func (s *Screen) Lines() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines()
}

// Erased returns the rows that the program has erased again, oldest first: what was
// there for a moment only, which nobody need have looked at then.
func (s *Screen) Erased() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.erased)
}

// Await waits until the screen matches, in rows or in lines, and returns an error with
// what it shows if that takes longer than the limit.
func (s *Screen) Await(re *regexp.Regexp, limit time.Duration) error {
	deadline := time.After(limit)
	for {
		s.mu.Lock()
		text, lines, changed := s.text(), s.lines(), s.changed
		s.mu.Unlock()
		if re.MatchString(text) || re.MatchString(lines) {
			return nil
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("%q did not come within %v; the screen:\n%s", re, limit, s)
		}
	}
}

// Styles returns the colours and other styles that have been asked for, as they are
// written: "36" is cyan, "7" reversed.
func (s *Screen) Styles() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.styles))
}

// step draws the first character or sequence of p and returns its length, 0 if
// it is not complete.
func (s *Screen) step(p []byte) int {
	switch {
	case len(p) == 0:
		return 0
	case p[0] == 0x1b:
		return s.escape(p)
	case p[0] < ' ':
		s.control(p[0])
		return 1
	case !utf8.FullRune(p):
		return 0
	}
	r, n := utf8.DecodeRune(p)
	if r >= 0x7f && r < 0xa0 {
		s.foreign = append(s.foreign, strconv.QuoteRune(r))
		return n
	}
	if s.wrap {
		s.broken[s.y] = true
		s.x = 0
		s.lineFeed()
	}
	if s.insert {
		copy(s.cells[s.y][s.x+1:], s.cells[s.y][s.x:])
	}
	s.cells[s.y][s.x] = r
	if s.wrap = s.x == s.width-1; !s.wrap {
		s.x++
	}
	return n
}

func (s *Screen) control(c byte) {
	switch c {
	case '\r':
		s.move(0, s.y)
	case '\n':
		s.wrap = false
		s.lineFeed()
	case '\b':
		s.move(s.x-1, s.y)
	case '\t':
		s.move((s.x/8+1)*8, s.y)
	default:
		s.foreign = append(s.foreign, strconv.QuoteRune(rune(c)))
	}
}

// lineFeed goes one row down, and scrolls at the bottom.
func (s *Screen) lineFeed() {
	switch {
	case s.y == s.bottom:
		s.scroll(s.top, s.bottom)
	case s.y < s.height-1:
		s.y++
	}
}

// reverseLineFeed goes one row up, and scrolls at the top.
func (s *Screen) reverseLineFeed() {
	switch {
	case s.y == s.top:
		s.scroll(s.bottom, s.top)
	case s.y > 0:
		s.y--
	}
}

// scroll takes a row out and puts an empty one in elsewhere.
func (s *Screen) scroll(out, in int) {
	s.cells = slices.Delete(s.cells, out, out+1)
	s.cells = slices.Insert(s.cells, in, []rune(strings.Repeat(" ", s.width)))
	s.broken = slices.Insert(slices.Delete(s.broken, out, out+1), in, false)
}

func (s *Screen) move(x, y int) {
	s.x, s.y = min(max(x, 0), s.width-1), min(max(y, 0), s.height-1)
	s.wrap = false
}

// sequence is a control sequence: private marks, numbers, intermediates, final.
var sequence = regexp.MustCompile(`^\x1b\[([<=>?]?)([0-9;:]*)([ -/]*)([@-~])`)

// escape carries out an escape sequence.
func (s *Screen) escape(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	switch p[1] {
	case 'M':
		s.reverseLineFeed()
		return 2
	case '[', 0x1b:
	default:
		s.foreign = append(s.foreign, fmt.Sprintf("%q", p[:2]))
		return 2
	}
	found := sequence.FindSubmatch(p)
	if found == nil {
		// Where another sequence begins this one was cut off: Ctrl-C makes the
		// terminal discard what is under way.
		return 1 + bytes.IndexByte(p[1:], 0x1b)
	}
	s.csi(string(found[1]), string(found[2]), string(found[3])+string(found[4]))
	return len(found[0])
}

func (s *Screen) csi(private, numbers, final string) {
	var n []int
	for text := range strings.SplitSeq(numbers, ";") {
		i, _ := strconv.Atoi(text)
		n = append(n, i)
	}
	n = append(n, 0)
	count := max(1, n[0])
	switch private + final {
	case "A":
		s.move(s.x, s.y-count)
	case "B":
		s.move(s.x, s.y+count)
	case "C":
		s.move(s.x+count, s.y)
	case "D":
		s.move(s.x-count, s.y)
	case "G":
		s.move(count-1, s.y)
	case "d":
		s.move(s.x, count-1)
	case "H":
		s.move(max(1, n[1])-1, count-1)
	case "J":
		s.eraseScreen(n[0])
	case "K":
		s.eraseRow(n[0])
	case "P":
		row := s.cells[s.y]
		copy(row[s.x:], row[min(s.x+count, s.width):])
		s.clear(s.y, s.width-min(count, s.width-s.x), s.width)
	case "X":
		s.clear(s.y, s.x, s.x+count)
	case "?h", "?l": // modes: those that matter change the whole screen
		if n[0] == 1049 {
			s.eraseScreen(2)
		}
	case "h", "l":
		s.insert = final == "h"
		if n[0] != 4 {
			s.foreign = append(s.foreign, strconv.Quote("\x1b["+numbers+final))
		}
	case "r":
		s.top, s.bottom = max(1, n[0])-1, s.height-1
		if n[1] > 0 {
			s.bottom = min(n[1], s.height) - 1
		}
		s.move(0, 0)
	case "?W": // tab stops, every 8 columns
	case "m":
		if numbers != "" && numbers != "0" {
			s.styles[numbers] = true
		}
	case ">m", "?$p", ">u", "<u", "?u", " q":
		// keyboards, questions
	default:
		s.foreign = append(s.foreign, strconv.Quote("\x1b["+private+numbers+final))
	}
}

// eraseScreen erases behind the cursor (0), before it (1) or everything (2).
func (s *Screen) eraseScreen(what int) {
	for y := range s.cells {
		if what == 2 || what == 0 && y > s.y || what == 1 && y < s.y {
			s.clear(y, 0, s.width)
		}
	}
	if what < 2 {
		s.eraseRow(what)
	}
}

// eraseRow does so in the cursor's row.
func (s *Screen) eraseRow(what int) {
	switch what {
	case 0:
		s.clear(s.y, s.x, s.width)
	case 1:
		s.clear(s.y, 0, s.x+1)
	default:
		s.clear(s.y, 0, s.width)
	}
}

func (s *Screen) clear(y, from, to int) {
	if from == 0 {
		s.note(y)
	}
	if to >= s.width {
		s.broken[y] = false
	}
	for x := from; x < min(to, s.width); x++ {
		s.cells[y][x] = ' '
	}
}

// note keeps a row that is about to be erased, the last hundred of them.
func (s *Screen) note(y int) {
	if row := strings.TrimRight(string(s.cells[y]), " "); row != "" {
		s.erased = append(s.erased, row)
		s.erased = s.erased[max(0, len(s.erased)-100):]
	}
}
