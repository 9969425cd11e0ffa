package chat

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Event is what a line of a chat reports.
type Event uint8

const (
	Message Event = iota // somebody said something
	Joined               // somebody has come
	Left                 // somebody has gone
)

// Line is a line of a chat, taken apart.
type Line struct {
	ID    string // of the connection, which tinyproto's chat server puts in front, or ""
	Name  string // who speaks, or ""
	Event Event
	Text  string // what was said
}

// What tinyproto's chat server announces.
const (
	joinedText = "**joined the chat"
	leftText   = "**left the chat"
)

// maxName is the longest name in characters.
const maxName = 40

// ParseLine takes a received line apart. It knows "[ID] text", as tinyproto's chat
// server relays, "NAME : text", as serpy's chat clients send, and "NAME: text"
// with a name without spaces. What is none of these is text without a speaker.
func ParseLine(line string) Line {
	h := Line{Text: line}
	if id, rest, ok := cutID(line); ok {
		h.ID, h.Text = id, rest
		switch rest {
		case joinedText:
			h.Event, h.Text = Joined, ""
			return h
		case leftText:
			h.Event, h.Text = Left, ""
			return h
		}
	}
	if name, text, ok := cutName(h.Text); ok {
		h.Name, h.Text = name, text
	}
	return h
}

// connID is a connection's number, as parley's example server has it, or its
// UUID, as the original has it.
var connID = regexp.MustCompile(`^\[(\d{1,20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\] `)

// cutID cuts "[ID] " off.
func cutID(line string) (id, rest string, ok bool) {
	found := connID.FindStringSubmatch(line)
	if found == nil {
		return "", line, false
	}
	return found[1], line[len(found[0]):], true
}

// cutName cuts "NAME : " or "NAME: " off.
func cutName(line string) (name, text string, ok bool) {
	name, text, ok = strings.Cut(line, ":")
	if !ok || !strings.HasPrefix(text, " ") && text != "" {
		return "", line, false
	}
	spaced := strings.HasSuffix(name, " ")
	name = strings.TrimSuffix(name, " ")
	if !spaced && strings.Contains(name, " ") || CheckName(name) != nil {
		return "", line, false
	}
	return name, strings.TrimPrefix(text, " "), true
}

// clip cuts s after n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
