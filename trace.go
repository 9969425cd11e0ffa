package parley

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/wire"
)

// Trace is one line of the log of the wire: bytes that went one way and what
// they mean.
type Trace struct {
	Time time.Time
	Conn *Conn
	// Sent: we sent the bytes; otherwise the peer did.
	Sent bool
	// What they are: "message", "answer" (an OK, an acknowledgement, a hello),
	// "body", "offer", "data", "confirmed", "end of stream" …
	What string
	// Message is the decoded message if What is "message"; its bytes, and
	// Bytes, are borrowed until the trace function returns.
	Message Message
	Bytes   []byte
}

// String prints the trace on one line: who, direction, meaning, bytes.
func (t Trace) String() string {
	var b strings.Builder
	arrow := "<"
	if t.Sent {
		arrow = ">"
	}
	fmt.Fprintf(&b, "%s #%d %s %s %s", t.Time.Format("15:04:05.000000"), t.Conn.ID(), t.Conn.peer(), arrow, t.What)
	if t.What == "message" {
		b.WriteString(" " + wire.Describe(t.Conn.Protocol(), t.Message))
	}
	const limit = 32
	if len(t.Bytes) > 0 {
		fmt.Fprintf(&b, "  [%d] % x", len(t.Bytes), t.Bytes[:min(len(t.Bytes), limit)])
		if len(t.Bytes) > limit {
			b.WriteString(" …")
		}
	}
	return b.String()
}

// TraceTo returns a trace function, for Server.Trace or Dialer.Trace, that
// prints a line to w for each message and answer.
func TraceTo(w io.Writer) func(Trace) {
	var mu sync.Mutex
	return func(t Trace) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, t)
	}
}
