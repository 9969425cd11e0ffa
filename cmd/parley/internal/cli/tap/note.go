package tap

import (
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/tap"
)

const (
	mostNotes    = 32   // comments of one packet
	longestNoted = 1024 // bytes of a message in one
)

// note keeps what an item says, as a comment of the packet that completes it.
func (t *tapped) note(p parley.Protocol, i tap.Item) {
	if len(t.notes) > mostNotes {
		return
	}
	if len(t.notes) == mostNotes {
		t.notes = append(t.notes, "… and more")
		return
	}
	line := fmt.Appendf(nil, "%s %c ", p.Name(), arrowOf(i.From))
	switch i.Kind {
	case tap.Open:
		line = append(line[:len(p.Name())], ": both sides are ready"...)
	case tap.Message:
		line = output.AppendTyped(line, p, output.Unpickled(p, i.Message), false, longestNoted)
	case tap.Banner:
		line = append(line, "banner: "...)
		line = terminal.AppendOneLine(line, output.Payload(i.Message)[:min(len(output.Payload(i.Message)), longestNoted)])
	case tap.Lost, tap.Stopped:
		line = fmt.Appendf(line, "%s: %v", i.Kind, fault.Bare(i.Err))
	case tap.Confirmed:
		line = fmt.Appendf(line, "confirms %d", i.N)
	default:
		line = append(line, i.Kind...)
	}
	t.notes = append(t.notes, string(line))
}

// noted returns the comments for the packet that is written next.
func (t *tapped) noted() []string {
	notes := t.notes
	t.notes = nil
	return notes
}
