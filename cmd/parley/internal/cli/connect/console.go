package connect

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/prompt"
	"github.com/parley-net/parley/serpy"
)

// console gives typed lines their meaning: messages, and the commands of
// connect. It knows neither a terminal nor a connection.
type console struct {
	kind  string // the type of messages that do not name theirs
	modes bool   // the wire is serpy
	mode  int    // serpy's mode of what is sent; -1: that of the address
	out   *output.Printer
	tell  func(text string) // shows what a command answers

	recall *prompt.History // lines of earlier, or nil
	asks   []string        // what the file of --replies answers
	colour bool
}

// consoleCommands are the commands, and what they do.
var consoleCommands = []struct{ name, argument, help string }{
	{"/help", "", "show this"},
	{"/hex", "", "print bytes in hexadecimal, or not any longer"},
	{"/mode", " 0…5", "send in this serpy mode"},
	{"/quit", "", "leave, as Ctrl-D does"},
	{"/rtt", "", "print the seconds since the last message sent, or not any longer"},
}

// read returns the message that a line asks to send; ok is false if there is
// none. An error says what is wrong with the line, or is talk.ErrLeave.
func (c *console) read(line string) (m parley.Message, ok bool, err error) {
	switch {
	case line == "":
		return m, false, nil
	case strings.HasPrefix(line, "//"):
		m, err = input.Typed(c.kind, line[1:])
	case strings.HasPrefix(line, "/"):
		return m, false, c.command(line)
	default:
		m, err = input.Parse(line, c.kind)
	}
	if c.mode >= 0 {
		m = serpy.WithMode(m, c.mode)
	}
	return m, err == nil, err
}

// command carries out a command.
func (c *console) command(line string) error {
	name, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch {
	case argument != "" && name != "/mode":
	case name == "/help":
		c.tell(consoleHelp())
		return nil
	case name == "/quit":
		return talk.ErrLeave
	case name == "/hex":
		c.tell("hexadecimal " + onOff(c.out.ToggleHex()))
		return nil
	case name == "/rtt":
		c.tell("round-trip time " + onOff(c.out.ToggleRTT()))
		return nil
	case name == "/mode":
		return c.setMode(strings.TrimSpace(argument))
	}
	return fault.Usagef("there is no command %s: /help lists them, and //… sends what begins with a /", strings.TrimSpace(line))
}

func (c *console) setMode(argument string) error {
	if !c.modes {
		return fault.Usagef("/mode: only serpy has modes")
	}
	mode, err := strconv.Atoi(argument)
	if err != nil || mode < 0 || mode > 5 {
		return fault.Usagef("/mode %s: want 0 to 5", argument)
	}
	c.mode = mode
	c.tell(fmt.Sprintf("sending in mode %d", mode))
	return nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func consoleHelp() string {
	var b strings.Builder
	for _, c := range consoleCommands {
		fmt.Fprintf(&b, "%-10s  %s\n", c.name+c.argument, c.help)
	}
	b.WriteString("Anything else is sent: text, or " + strings.TrimPrefix(input.Forms, "text:…, ") + ".\n")
	b.WriteString("text:… sends any text as it is, //… what begins with a /.")
	return b.String()
}

// complete returns how a line that begins with begun can go on.
func (c *console) complete(begun string) []string {
	var all []string
	if file, ok := strings.CutPrefix(begun, "@"); ok {
		for _, name := range prompt.Files(file) {
			all = append(all, "@"+name)
		}
		return all
	}
	for _, command := range consoleCommands {
		switch {
		case command.name != "/mode":
			all = append(all, command.name)
		case c.modes && strings.HasPrefix(begun, "/mode "):
			for mode := range 6 {
				all = append(all, fmt.Sprintf("/mode %d", mode))
			}
		case c.modes:
			all = append(all, "/mode ")
		}
	}
	for _, kind := range input.Kinds {
		all = append(all, kind+":")
	}
	all = append(all, "@")
	if begun != "" {
		all = append(all, c.asks...)
		for i := range c.recalled() {
			all = append(all, c.recall.At(i))
		}
	}
	var fits []string
	for _, s := range all {
		if strings.HasPrefix(s, begun) && !slices.Contains(fits, s) {
			fits = append(fits, s)
		}
	}
	return fits
}

// recalled is how many lines of the history are looked at.
func (c *console) recalled() int {
	if c.recall == nil {
		return 0
	}
	return min(c.recall.Len(), 200)
}

// asksOf returns what a file of serve --replies answers: its requests and prefixes.
func asksOf(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var file struct {
		Reply []map[string]any `toml:"reply"`
	}
	if err := toml.Unmarshal(b, &file); err != nil {
		return nil, fault.Usagef("--replies %s: %w", name, err)
	}
	var asks []string
	for _, r := range file.Reply {
		for _, key := range []string{"request", "prefix"} {
			if s, ok := r[key].(string); ok && s != "" {
				asks = append(asks, s)
			}
		}
	}
	return asks, nil
}

// scripted is a console whose lines come from standard input. The first one
// that is wrong ends it.
type scripted struct {
	*console
	in    input.Flags
	lines *bufio.Reader
	n     int // lines so far
}

// Next returns the next message, io.EOF, or talk.ErrLeave.
func (s *scripted) Next() (parley.Message, error) {
	for {
		line, err := s.lines.ReadBytes('\n')
		if err != nil && (err != io.EOF || len(line) == 0) {
			return parley.Message{}, err
		}
		s.n++
		m, ok, err := s.read(string(s.in.Trim(bytes.TrimSuffix(line, []byte("\n")), s.n == 1)))
		switch {
		case err == talk.ErrLeave:
			return m, err
		case err != nil:
			return m, fault.Usagef("standard input, line %d: %w", s.n, err)
		case ok:
			return m, nil
		}
	}
}
