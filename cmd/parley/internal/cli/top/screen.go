package top

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
)

// topScreen shows the connections on the whole screen until the user leaves.
func topScreen(ctx context.Context, a *app.App, c *monitorClient, o topOptions) error {
	if _, err := c.conns(ctx, o.sort, o.closed); err != nil {
		return err // the first answer must come, later ones are tried again
	}
	m := &topModel{ctx: ctx, c: c, o: o}
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(a.Stdin), tea.WithOutput(a.Stdout), tea.WithoutSignalHandler()).Run()
	switch {
	case m.interrupted:
		return fault.ErrInterrupted
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// topModel is top on the screen.
type topModel struct {
	ctx context.Context
	c   *monitorClient
	o   topOptions

	rows          []monitor.Row
	chosen        string // the ID of a row
	sure          bool   // the next y closes it
	failed        error  // the last question
	width, height int
	interrupted   bool
}

type (
	topAnswer struct {
		conns monitor.Conns
		err   error
	}
	topTick   struct{}
	topKilled struct{ err error }
)

// Init asks for the first figures.
func (m *topModel) Init() tea.Cmd { return m.ask() }

// ask returns the question as the options are now: it runs beside Update,
// which changes them.
func (m *topModel) ask() tea.Cmd {
	ctx, c, o := m.ctx, m.c, m.o
	return func() tea.Msg {
		conns, err := c.conns(ctx, o.sort, o.closed)
		return topAnswer{conns, err}
	}
}

// Update takes in what has happened.
func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case topAnswer:
		if m.failed = msg.err; msg.err == nil {
			m.rows = msg.conns.Connections
		}
		return m, tea.Tick(m.o.every, func(time.Time) tea.Msg { return topTick{} })
	case topTick:
		return m, m.ask()
	case topKilled:
		m.failed = msg.err
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// key does what a key asks for.
func (m *topModel) key(key string) tea.Cmd {
	sure := m.sure
	m.sure = false
	switch key {
	case "q", "ctrl+d", "esc":
		return tea.Quit
	case "ctrl+c":
		m.interrupted = true
		return tea.Quit
	case "up":
		m.choose(-1)
	case "down":
		m.choose(1)
	case "s":
		all := monitor.Orders()
		m.o.sort = all[(slices.Index(all, m.o.sort)+1)%len(all)]
	case "c":
		m.o.closed = !m.o.closed
	case "k":
		m.sure = m.index() >= 0 && m.rows[m.index()].Closed == nil
	case "y":
		if id := m.chosen; sure {
			ctx, c := m.ctx, m.c
			return func() tea.Msg { return topKilled{c.close(ctx, id)} }
		}
	}
	return nil
}

// index returns the place of the chosen row, or -1.
func (m *topModel) index() int {
	return slices.IndexFunc(m.rows, func(r monitor.Row) bool { return r.ID == m.chosen })
}

// choose moves the choice.
func (m *topModel) choose(by int) {
	if len(m.rows) > 0 {
		m.chosen = m.rows[max(0, min(m.index()+by, len(m.rows)-1))].ID
	}
}

var (
	topBar    = lipgloss.NewStyle().Reverse(true)
	topChosen = lipgloss.NewStyle().Bold(true)
)

// cutTo cuts a line to a width.
func cutTo(width int, line string) string {
	return lipgloss.NewStyle().Inline(true).MaxWidth(width).Render(line)
}

// View draws the screen.
func (m *topModel) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	if m.width == 0 || m.height < 4 {
		return v
	}
	lines := topTable(m.rows, m.width-2)
	at := m.index() + 1 // behind the head
	if room := m.height - 3; at > room {
		lines = slices.Concat(lines[:1], lines[1+at-room:]) // the chosen one stays on the screen
		at = room
	}
	var b strings.Builder
	for i, line := range lines[:min(len(lines), m.height-2)] {
		line = cutTo(m.width-2, line)
		switch {
		case i == 0:
			line = topBar.Render("  " + line)
		case i == at:
			line = topChosen.Render("> " + line)
		default:
			line = "  " + line
		}
		b.WriteString(line + "\n")
	}
	for range m.height - 2 - len(lines) {
		b.WriteString("\n")
	}
	b.WriteString(cutTo(m.width, topTotals(m.rows)) + "\n")
	b.WriteString(topBar.Render(cutTo(m.width, m.status())))
	v.SetContent(b.String())
	return v
}

// status is the last line.
func (m *topModel) status() string {
	switch {
	case m.sure:
		return "close connection " + oneLine(m.chosen) + "? y: yes"
	case m.failed != nil:
		return "trying again: " + strings.ReplaceAll(terminal.Visible(m.failed.Error()), "\n", "; ")
	}
	arrows := terminal.Words("↑↓")
	return fmt.Sprintf("%s  %s by %s  q leave  %s choose  k close  s sort  c closed ones", m.c.addr, wording.Plural(len(m.rows), "connection"), m.o.sort, arrows)
}
