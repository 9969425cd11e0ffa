package line

import (
	"cmp"

	"github.com/parley-net/parley/wire"
)

const (
	defaultMax   = 1 << 20
	defaultBlock = 64 << 20
	mostMax      = 1<<31 - 1
)

// Protocol is the line protocol with its options. The zero value is good for most
// peers; Validate says which options make no sense.
type Protocol struct {
	// End is what ends a received message; the zero value is Any.
	End End

	// Send is appended to each message that is sent: LF, CR, CRLF, other bytes, or
	// Same for what the peer's last message ended with. If it is empty a dialer
	// appends LF, and a listener Same. Where it begins a longer one of End, as CR
	// begins CR LF, the next message must not begin with the rest of that, which
	// would be dropped: Send says ErrNotRepresentable.
	Send string

	// Prompt is the text without an end that a device prints when it has
	// answered: "> ". All lines before it are one message, which keeps their ends
	// except the last; the prompt itself is dropped. It counts at the beginning of
	// a line only. The connection is open when the first one has come; the lines
	// before that are the banner (see wire.EventBanner). Dialing only.
	Prompt string

	// Skip is how many lines the peer greets with, which are its banner and
	// dropped; then the connection is open. Dialing only.
	Skip int

	// Echo: the peer repeats each command. The line that equals a message that was
	// sent, blanks at both ends aside, is dropped. With Prompt it is the first line
	// of an answer. Dialing only.
	Echo bool

	// Blocks: messages may have arbitrary blocks of IEEE 488.2 (#15hello), of which
	// no byte is looked at.
	Blocks bool

	// Charset is how text travels; the zero value is UTF-8.
	Charset Charset

	// Trim drops the blanks (space, tab, CR, LF, VT, FF) at both ends of a
	// received message.
	Trim bool

	// Clients is how many clients a server serves at a time, the next ones wait; 0:
	// no limit.
	Clients int

	// Max is the longest message in bytes, its end not counted, that is sent or
	// received; 0: 1 MiB, with Blocks 64 MiB. A longer one is skipped and told as a
	// wire.MessageError. A driver's wire.Limits may lower it for what is received.
	Max int64

	scpi bool // its name
}

var _ wire.Validator = Protocol{}

// SCPI returns the protocol of instruments that speak SCPI over a plain socket: line
// with Blocks, by the name of scpi.
func SCPI() Protocol { return Protocol{Blocks: true, scpi: true} }

// Name returns "line", or "scpi" for what SCPI has made.
func (p Protocol) Name() string {
	if p.scpi {
		return "scpi"
	}
	return "line"
}

// Traits tells what is particular to the protocol: text, of unknown size, at any
// time.
func (p Protocol) Traits() wire.Traits {
	types := wire.Types(wire.TypeText)
	if p.Charset == Bytes {
		types = wire.Types(wire.TypeBytes)
	}
	return wire.Traits{Clients: p.Clients, Types: types, MaxMessage: p.max()}
}

func (p Protocol) max() int64 {
	if p.Max > 0 {
		return min(p.Max, mostMax)
	}
	if p.Blocks {
		return defaultBlock
	}
	return defaultMax
}

// New returns the machine for one connection. Prompt, Skip and Echo are ignored
// on the accepting side, as by a tap that listens to a client; Validate
// refuses them there.
func (p Protocol) New(role wire.Role, limits wire.Limits) wire.Machine {
	m := &machine{
		end:     p.End.orAny(),
		send:    p.Send,
		maxSend: int32(p.max()),
		limit:   int32(limits.Message(p.Traits())),
		charset: p.Charset,
		blocks:  p.Blocks,
		trim:    p.Trim,
		scpi:    p.scpi,
	}
	switch {
	case p.Send == Same, p.Send == "" && role == wire.Accepting:
		m.same, m.send = true, ""
	default:
		m.send = cmp.Or(p.Send, LF)
		m.foreign = !m.end.has(m.send)
	}
	if role == wire.Dialing && (p.Prompt != "" || p.Skip > 0 || p.Echo) {
		x := m.more()
		x.prompt, x.echoes = p.Charset.wire(p.Prompt), p.Echo
		if p.Prompt != "" || p.Skip > 0 {
			x.greeting = &greeting{skip: p.Skip}
		}
	}
	return m
}
