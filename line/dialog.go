package line

import (
	"fmt"
	"strings"

	"github.com/parley-net/parley/wire"
)

// A dialog is what a dialer's Prompt, Skip and Echo need.
type dialog struct {
	prompt   string // as it travels
	greeting *greeting
	cut      int32 // where the end of the answer's last line begins
	first    int32 // where the first line of the answer ends
	second   int32 // where the second begins; 0: the first has not ended
	echoes   bool
	echo     echo
}

// greeting is what comes before the connection is open.
type greeting struct {
	skip  int    // lines still to be skipped
	lines int    // that have come
	line  []byte // the beginning of the last one
	part  []byte // that of one that has not ended
}

// longestBanner bounds a line of the banner, shownBanner what an error shows of it.
const (
	longestBanner = 64 << 10
	shownBanner   = 60
)

// greeted reports whether a greeting is still awaited.
func (m *machine) greeted() bool { return m.extra != nil && m.greeting != nil }

// collects reports whether lines are put together until a prompt comes.
func (m *machine) collects() bool { return m.extra != nil && m.prompt != "" }

// atPrompt reports whether a prompt may stand at the beginning of the line.
func (m *machine) atPrompt() bool {
	return m.collects() && m.scan.at == m.scan.start && !m.scan.inner && !(m.greeted() && m.greeting.skip > 0)
}

// prompted looks whether p begins with the prompt.
func (m *machine) prompted(p []byte) verdict {
	n := min(len(p), len(m.prompt))
	switch {
	case string(p[:n]) != m.prompt[:n]:
		return endless
	case n < len(m.prompt):
		m.heardPart(p)
		return undecided
	}
	return ended
}

// heardPart notes a line of the greeting that has not ended, for Hint.
func (m *machine) heardPart(p []byte) {
	if m.greeted() {
		m.greeting.part = shown(m.greeting.part, p)
	}
}

// answered takes the prompt behind what has been collected.
func (m *machine) answered(p []byte, ev *wire.Event) (n int, more bool, err error) {
	n = int(m.scan.start) + len(m.prompt)
	if m.greeted() {
		m.greeting = nil
		m.consume(n)
		return n, true, nil // step opens
	}
	content := p[:0]
	if m.scan.start > 0 {
		content = p[:m.cut]
	}
	n, more, err = m.finish(content, n, ev)
	m.cut, m.first, m.second = 0, 0, 0
	return n, more, err
}

// lineEnded goes on with the next line of the answer.
func (m *machine) lineEnded(found span) {
	if m.second == 0 {
		m.first, m.second = int32(found.end), int32(found.next)
	}
	m.cut = int32(found.end)
	next := int32(found.next)
	m.scan = scanner{at: next, start: next, block: m.scan.block, first: m.scan.first, quoted: next}
}

// lineMoved says that the end of the line before has become longer.
func (m *machine) lineMoved(size int) {
	if m.second == m.scan.start {
		m.second += int32(size)
	}
	m.scan.start += int32(size)
	m.scan.at, m.scan.quoted = m.scan.start, m.scan.start
}

// firstLine returns the first line of the answer content.
func (m *machine) firstLine(content []byte) []byte {
	if m.second == 0 {
		return content
	}
	return content[:min(int(m.first), len(content))]
}

// firstNext returns where the line behind the first begins.
func (m *machine) firstNext(size int) int {
	if m.second == 0 {
		return size
	}
	return int(m.second)
}

// bannerLine tells a line that came before the connection is open.
func (m *machine) bannerLine(p []byte, found span, ev *wire.Event) (n int, more bool, err error) {
	g := m.greeting
	if found.end > m.most() {
		return 0, false, m.tooLong()
	}
	g.lines++
	g.line, g.part = shown(g.line, p[:found.end]), g.part[:0]
	if g.skip > 0 {
		if g.skip--; g.skip == 0 && m.prompt == "" {
			m.greeting = nil
		}
	}
	ev.Kind, ev.Data = wire.EventBanner, p[:found.end]
	m.consume(found.next)
	return found.next, false, nil
}

func shown(dst, p []byte) []byte { return append(dst[:0], p[:min(len(p), shownBanner)]...) }

// awaited says what the connection waits for before it is open, and what has come.
func (m *machine) awaited() string {
	g := m.greeting
	var b strings.Builder
	if g.skip > 0 {
		fmt.Fprintf(&b, "%d more lines of the banner were awaited (option Skip)", g.skip)
	} else {
		fmt.Fprintf(&b, "the prompt %q was awaited (option Prompt)", m.prompt)
	}
	switch {
	case g.lines == 0 && len(g.part) == 0:
		b.WriteString("; nothing had come")
	case g.lines == 0:
		fmt.Fprintf(&b, "; what had come is %q", g.part)
	case len(g.part) == 0:
		fmt.Fprintf(&b, "; %d lines had come, the last %q", g.lines, g.line)
	default:
		fmt.Fprintf(&b, "; %d lines had come, the last %q, and %q behind it", g.lines, g.line, g.part)
	}
	return b.String()
}

// Hint says what was awaited and what has come.
func (m *machine) Hint([]byte) string {
	if !m.greeted() {
		return ""
	}
	return m.awaited()
}
