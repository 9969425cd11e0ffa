package chat

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/parley-net/parley"
)

// What happens outside reaches the Model as one of these messages.
type (
	// Received: a line has arrived, as it came.
	Received struct{ Text string }
	// Sent: the line that Options.Send was given as number N has left, or has
	// not because of Err.
	Sent struct {
		N   int
		Err error
	}
	// Status: the state of the connection has changed; Reason says why, for
	// parley.StateWaiting.
	Status struct {
		State  parley.State
		Reason error
	}
	// Note: something to tell the user, in one or more lines.
	Note struct{ Text string }
	// Ended: there is nothing more to come.
	Ended struct{}
)

// MaxUnsent is how many lines may wait to be sent. Options.Send is not called
// for more.
const MaxUnsent = 100

// Options are what a Model needs.
type Options struct {
	Name  string // of the user; see CheckName
	Colon string // between a name and what it says: ": ", or " : " on serpy
	URL   string // for the status line
	// Visible makes text from outside harmless for a terminal: it leaves
	// nothing that would act on it but line feeds and tabs. The Model shows
	// nothing from outside that has not been through it.
	Visible func(string) string
	// Send sends a line, in the order of the calls, and reports with a Sent
	// message. It must not wait.
	Send func(n int, line string)
	Now  func() time.Time // time.Now
}

// Model is the chat on the screen. It is used by pointer: Update returns the
// same Model.
type Model struct {
	o     Options
	input textinput.Model
	log   backlog

	people people
	state  parley.State
	reason string // why there is no connection
	lost   bool   // that has been told

	width, height int
	up            int // rows between the last one and the lowest one shown
	unread        int // messages below the lowest one shown

	sends       int // lines given to Send
	unsent      int // of these, how many wait
	interrupted bool
}

// New returns the Model of a chat whose connection has just been made.
func New(o Options) *Model {
	m := &Model{o: o, state: parley.StateConnected, input: textinput.New()}
	styles := textinput.DefaultStyles(true)
	styles.Cursor.Blink = false
	m.input.SetStyles(styles)
	m.input.CharLimit = 16 << 10
	m.input.Focus()
	m.tell("connected to " + o.URL + "; /help lists the commands")
	return m
}

// Interrupted reports whether the user has left with Ctrl-C.
func (m *Model) Interrupted() bool { return m.interrupted }

// Init has nothing to do.
func (m *Model) Init() tea.Cmd { return nil }

// Update takes in what has happened.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		var cmd tea.Cmd
		m.input, cmd = m.input.Update(msg)
		return m, cmd
	case Received:
		m.received(msg.Text)
	case Sent:
		m.sent(msg)
	case Status:
		m.status(msg)
	case Note:
		m.tell(m.visible(msg.Text))
	case Ended:
		return m, tea.Quit
	}
	return m, nil
}

// key does what a key asks for.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "enter":
		return m.enter()
	case "ctrl+c":
		m.interrupted = true
		return tea.Quit
	case "ctrl+d":
		if m.input.Value() == "" {
			return tea.Quit
		}
	case "pgup":
		m.scroll(m.listHeight() - 1)
		return nil
	case "pgdown":
		m.scroll(1 - m.listHeight())
		return nil
	case "up", "shift+up", "ctrl+up":
		m.scroll(1)
		return nil
	case "down", "shift+down", "ctrl+down":
		m.scroll(-1)
		return nil
	case "ctrl+home":
		m.scroll(m.log.rows(m.listWidth()))
		return nil
	case "ctrl+end", "esc":
		m.scroll(-m.up)
		return nil
	}
	var cmd tea.Cmd
	m.input, cmd = m.input.Update(k)
	return cmd
}

// enter does what the typed line asks for.
func (m *Model) enter() tea.Cmd {
	line := m.input.Value()
	command, argument, err := Read(line)
	if err == nil && (command == Say || command == SayRaw) && m.unsent == MaxUnsent {
		m.tell(fmt.Sprintf("not sent: %d lines are waiting already", MaxUnsent))
		return nil // the line stays for another try
	}
	m.input.Reset()
	m.scroll(-m.up)
	switch {
	case err != nil:
		m.tell(err.Error())
	case command == Say:
		m.say(argument, m.o.Name+m.o.Colon+argument)
	case command == SayRaw:
		m.say(argument, argument)
	case command == Rename:
		m.o.Name = argument
		m.tell("you are " + argument + " now")
	case command == Help:
		m.tell(HelpText + "\nPage Up, Page Down, Up and Down scroll, Esc goes to the end; Ctrl-D and Ctrl-C leave")
	case command == Leave:
		return tea.Quit
	}
	return nil
}

// say sends a line and shows what the user has said.
func (m *Model) say(text, line string) {
	m.sends++
	m.unsent++
	m.add(&entry{kind: mine, who: m.o.Name, text: text, n: m.sends, outcome: "…"})
	m.o.Send(m.sends, line)
}

// sent notes what has become of a line of the user.
func (m *Model) sent(s Sent) {
	m.unsent--
	outcome := ""
	if s.Err != nil {
		outcome = "(not sent: " + m.oneLine(s.Err) + ")"
	}
	m.log.settle(s.N, outcome)
}

// received shows a line that has arrived.
func (m *Model) received(text string) {
	h := ParseLine(m.visible(text))
	who := m.people.note(h)
	switch h.Event {
	case Joined:
		m.tell(who.label() + " has joined")
	case Left:
		m.tell(who.label() + " has left")
	default:
		m.add(&entry{kind: theirs, who: cmp.Or(who.label(), "?"), text: h.Text})
	}
}

// status shows the state of the connection. The list has the first failure
// only, the status line has them all.
func (m *Model) status(s Status) {
	m.state = s.State
	switch s.State {
	case parley.StateConnected:
		m.people = nil // who is there now is not known, and tinyproto's numbers begin anew
		m.lost = false
		m.tell("connected again")
	case parley.StateWaiting, parley.StateClosed:
		m.reason = "no reason known"
		if s.Reason != nil {
			m.reason = m.oneLine(s.Reason)
		}
		if !m.lost {
			m.lost = true
			m.tell("not connected: " + m.reason)
		}
	}
}

// visible makes text from outside harmless.
func (m *Model) visible(text string) string {
	const most = 16 << 10
	shown := m.o.Visible(clip(text, most))
	if len(text) > most {
		shown += fmt.Sprintf("… (%d bytes in all)", len(text))
	}
	return shown
}

func (m *Model) oneLine(err error) string {
	text, _, _ := strings.Cut(m.visible(strings.TrimPrefix(err.Error(), "parley: ")), "\n")
	return text
}

// tell shows a note.
func (m *Model) tell(text string) { m.add(&entry{kind: note, text: text}) }

// add appends an entry. Who has scrolled back goes on seeing the same, until
// that is forgotten.
func (m *Model) add(e *entry) {
	e.at = m.o.Now()
	m.log.add(e)
	if m.up > 0 {
		m.scroll(len(e.wrapped(m.listWidth())))
		m.unread++
	}
}

// scroll moves the view of the messages by n rows, back if n is positive.
func (m *Model) scroll(n int) {
	m.up = max(0, m.up+n)
	if n > 0 {
		m.up = min(m.up, max(0, m.log.rows(m.listWidth())-m.listHeight()))
	}
	if m.up == 0 {
		m.unread = 0
	}
}

func (m *Model) resize(width, height int) {
	m.width, m.height = width, height
	m.input.SetWidth(max(1, width-len(m.input.Prompt)-1))
	m.scroll(-m.up)
}
