package oneline

import (
	"cmp"

	"github.com/parley-net/parley/wire"
)

const (
	name           = "oneline"
	defaultMaxLine = 1 << 20
)

// Protocol is the oneline protocol. The zero value is the original's, with a line
// limit.
type Protocol struct {
	// UTF8 makes a server take commands as UTF-8: Message.Text has all of the
	// line, Invalid means that it is not UTF-8, and a reserved word is
	// one only if nothing else stands in its line. Without it a command is
	// ASCII, as the original has it. A client always receives UTF-8.
	UTF8 bool

	// MaxLine is the longest line in bytes, its end not counted, that is sent
	// or received; 1 MiB if it is zero or less. A longer line from the peer
	// ends the connection. A driver's wire.Limits may lower it for lines that
	// are received.
	MaxLine int

	// EOL ends every line in both directions; "\n" if it is empty. Instruments
	// may want "\r" or "\r\n". Both peers must use the same one; the original
	// knows only "\n".
	EOL string
}

var _ wire.Protocol = Protocol{}

// Name returns "oneline".
func (Protocol) Name() string { return name }

// Traits tells what is particular to oneline: one client at a time, answers
// only, and nothing but text.
func (p Protocol) Traits() wire.Traits {
	return wire.Traits{
		Clients:    1,
		Lockstep:   true,
		Types:      wire.Types(wire.TypeText),
		MaxMessage: int64(p.maxLine()),
	}
}

// New returns the machine for one connection.
func (p Protocol) New(role wire.Role, limits wire.Limits) wire.Machine {
	eol := cmp.Or(p.EOL, "\n")
	return &machine{
		role:    role,
		utf8:    p.UTF8,
		eol:     eol,
		last:    eol[len(eol)-1],
		maxSend: p.maxLine(),
		maxLine: int(limits.Message(p.Traits())),
	}
}

func (p Protocol) maxLine() int {
	if p.MaxLine <= 0 {
		return defaultMaxLine
	}
	return p.MaxLine
}
