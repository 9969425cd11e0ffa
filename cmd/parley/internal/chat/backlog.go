package chat

import (
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
)

// kind is whose an entry is.
type kind uint8

const (
	theirs kind = iota
	mine
	note // ours: what happens to the connection, answers to commands
)

// entry is one message or note of the list. It may take several rows.
type entry struct {
	at      time.Time
	kind    kind
	who     string // "" for a note
	text    string
	n       int    // mine: the number of the line
	outcome string // mine: what has become of it, "" if it has been sent

	rows  []string // what wrapped has returned for the width
	width int
}

// indent is the width of the time in front of an entry. The rows behind the
// first one begin with spaces instead: a line feed in a message can't pretend
// to be another message.
const indent = len("15:04 ")

// notePrefix marks our notes. No name begins so: what a person says can't
// pretend to be a note either.
const notePrefix = "-- "

// wrapped returns the rows of the entry on a list of the given width.
func (e *entry) wrapped(width int) []string {
	if e.rows != nil && e.width == width {
		return e.rows
	}
	text := strings.ReplaceAll(e.text, "\t", "    ")
	if e.kind == note {
		text = faint.Render(notePrefix + text)
	} else {
		text = nameStyle(e).Render(e.who) + ": " + text
	}
	if e.outcome != "" {
		text += " " + faint.Render(e.outcome)
	}
	rows := strings.Split(lipgloss.Wrap(text, max(1, width-indent), ""), "\n")
	for i, row := range rows {
		head := strings.Repeat(" ", indent)
		if i == 0 {
			head = faint.Render(e.at.Format("15:04")) + " "
		}
		rows[i] = head + row
	}
	e.rows, e.width = rows, width
	return rows
}

// What the list keeps to scroll back to.
const (
	maxEntries = 5000
	maxText    = 4 << 20 // bytes
)

// backlog is the list of messages.
type backlog struct {
	entries []*entry
	size    int // bytes of text
}

// add appends an entry and forgets the oldest ones.
func (b *backlog) add(e *entry) {
	b.entries = append(b.entries, e)
	b.size += len(e.text)
	n := 0
	for len(b.entries)-n > maxEntries || b.size > maxText {
		b.size -= len(b.entries[n].text)
		n++
	}
	b.entries = slices.Delete(b.entries, 0, n)
}

// settle notes what has become of the user's line n.
func (b *backlog) settle(n int, outcome string) {
	for _, e := range slices.Backward(b.entries) {
		if e.kind == mine && e.n == n {
			e.outcome, e.rows = outcome, nil
			return
		}
	}
}

// rows returns how many rows there are on a list of the given width.
func (b *backlog) rows(width int) int {
	n := 0
	for _, e := range b.entries {
		n += len(e.wrapped(width))
	}
	return n
}

// window returns height rows, or fewer if there are no more: the last ones but
// the lowest up rows.
func (b *backlog) window(width, height, up int) []string {
	var rows []string // backwards
	for _, e := range slices.Backward(b.entries) {
		for _, row := range slices.Backward(e.wrapped(width)) {
			if up > 0 {
				up--
				continue
			}
			if len(rows) == height {
				slices.Reverse(rows)
				return rows
			}
			rows = append(rows, row)
		}
	}
	slices.Reverse(rows)
	return rows
}
