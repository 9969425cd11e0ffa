package chat

import (
	"fmt"
	"hash/fnv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/parley-net/parley"
)

var (
	faint = lipgloss.NewStyle().Faint(true)
	bar   = lipgloss.NewStyle().Reverse(true)
)

// nameStyle gives everybody a colour of their own, as far as six go.
func nameStyle(e *entry) lipgloss.Style {
	bold := lipgloss.NewStyle().Bold(true)
	if e.kind == mine {
		return bold
	}
	h := fnv.New32a()
	h.Write([]byte(e.who))
	return bold.Foreground(lipgloss.ANSIColor(1 + h.Sum32()%6))
}

// The list of people is as wide as this, and not there on a narrow screen.
const (
	peopleWidth = 20
	leastWidth  = 60
)

// listWidth is the width of the messages.
func (m *Model) listWidth() int {
	if m.width < leastWidth {
		return m.width
	}
	return m.width - peopleWidth
}

// listHeight is their height: all but the status line and the input.
func (m *Model) listHeight() int { return max(1, m.height-2) }

// View draws the screen: messages and people, the status line, the input.
func (m *Model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	if m.width == 0 || m.height < 3 {
		v.SetContent(m.input.View()) // too small for more, or the size is not known yet
		return v
	}
	rows := m.log.window(m.listWidth(), m.listHeight(), m.up)
	for len(rows) < m.listHeight() {
		rows = append(rows, "")
	}
	if m.listWidth() < m.width {
		for i, person := range m.panel(len(rows)) {
			gap := strings.Repeat(" ", max(0, m.listWidth()-lipgloss.Width(rows[i])))
			rows[i] += gap + faint.Render("│") + " " + person
		}
	}
	rows = append(rows, m.statusLine(), m.input.View())
	v.SetContent(strings.Join(rows, "\n"))
	return v
}

// panel returns the rows of the list of people.
func (m *Model) panel(height int) []string {
	rows := make([]string, height)
	names := append([]string{m.o.Name + " (you)"}, m.people.labels()...)
	if n := len(names) - height; n > 0 {
		names = append(names[:height-1], fmt.Sprintf("and %d more", n+1))
	}
	for i, name := range names {
		rows[i] = fit(name, peopleWidth-2)
	}
	return rows
}

// statusLine tells how the connection is, and what is below the screen.
func (m *Model) statusLine() string {
	var state string
	switch m.state {
	case parley.StateConnected:
		state = "connected"
	case parley.StateConnecting:
		state = "connecting"
	case parley.StateWaiting:
		state = "not connected, trying again: " + m.reason
	default:
		state = "not connected: " + m.reason
	}
	left := " " + state + " · " + m.o.URL + " · " + m.o.Name
	right := ""
	switch {
	case m.unread > 0:
		right = fmt.Sprintf(" %d new below, Esc ", m.unread)
	case m.up > 0:
		right = " scrolled back, Esc "
	}
	left = fit(left, m.width-lipgloss.Width(right))
	return bar.Render(fit(left+right, m.width))
}

// fit cuts or fills up text to a width.
func fit(text string, width int) string {
	if width <= 0 {
		return ""
	}
	text = lipgloss.NewStyle().Inline(true).MaxWidth(width).Render(text)
	return text + strings.Repeat(" ", max(0, width-lipgloss.Width(text)))
}
