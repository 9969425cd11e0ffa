package oneline

import "github.com/parley-net/parley/wire"

// The reserved words, and the answer to the first.
const (
	ping       = "ping"
	pong       = "pong"
	disconnect = "disconnect"
	shutdown   = "shutdown"

	longestWord = disconnect
)

// maxGreeting bounds the line that must be a server's pong.
const maxGreeting = 16 << 10

// A machine is one half of one connection. It buffers nothing: a line stays
// with the driver until its end has arrived.
type machine struct {
	eol     string
	maxSend int
	maxLine int   // of those received, behind a server's greeting
	offset  int64 // bytes of the peer consumed
	looked  int   // bytes of the unfinished line known to hold no end
	pongs   int   // accepting: pongs owed

	role    wire.Role
	utf8    bool
	last    byte // of eol
	open    bool // the handshake is done
	pinged  bool // dialing: our ping has left
	asked   bool // accepting: a command has been delivered
	goodbye bool // the peer has said its farewell
	left    bool // we have said ours
}

// longest returns how long the line that comes next may be.
func (m *machine) longest() int {
	if m.role == wire.Dialing && !m.open {
		return min(m.maxLine, maxGreeting)
	}
	return m.maxLine
}

// Output appends the client's opening ping, or the server's pongs.
func (m *machine) Output(dst []byte) []byte {
	if m.role == wire.Dialing && !m.pinged {
		m.pinged = true
		return m.appendLine(dst, ping)
	}
	for ; m.pongs > 0; m.pongs-- {
		dst = m.appendLine(dst, pong)
	}
	return dst
}

// Awaiting counts the pong a client opens with. No command has to be answered.
func (m *machine) Awaiting() int {
	if m.open {
		return 0
	}
	return 1
}

// Close appends a client's disconnect, unless a farewell has been sent as a
// message. A server has none.
func (m *machine) Close(dst []byte) []byte {
	if m.role == wire.Dialing && !m.left {
		dst = m.appendLine(dst, disconnect)
	}
	m.left = true
	return dst
}

// Accept has nothing to do: a line is never announced.
func (m *machine) Accept() {}

// Refuse ends the connection: a line is never announced.
func (m *machine) Refuse(reason error) error { return reason }

func (m *machine) appendLine(dst []byte, line string) []byte {
	return append(append(dst, line...), m.eol...)
}
