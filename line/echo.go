package line

import (
	"encoding/binary"
	"slices"
)

const (
	maxEchoes  = 64 << 10 // bytes that wait for their echo
	echoHead   = 4        // bytes of the size before each of them
	echoesTold = 16       // how many of those that wait a line is compared with
	keptEchoes = 4096     // how large a buffer is kept when none waits
)

// echo is the queue of messages whose echo has not come: the size of each, and
// itself without the blanks at its ends.
type echo struct {
	queue []byte
	head  int // what of it is done with
}

// expect notes a message that has been sent.
func (e *echo) expect(line []byte) {
	line = trimmed(line, 0, false)
	size := echoHead + len(line)
	for len(e.queue) > e.head && len(e.queue)-e.head+size > maxEchoes {
		e.forget()
	}
	if size > maxEchoes {
		return
	}
	if e.head > len(e.queue)/2 {
		e.queue = slices.Delete(e.queue, 0, e.head)
		e.head = 0
	}
	e.queue = binary.NativeEndian.AppendUint32(e.queue, uint32(len(line)))
	e.queue = append(e.queue, line...)
}

// forget drops the oldest.
func (e *echo) forget() {
	e.head += echoHead + int(binary.NativeEndian.Uint32(e.queue[e.head:]))
	if e.head == len(e.queue) {
		if e.queue, e.head = e.queue[:0], 0; cap(e.queue) > keptEchoes {
			e.queue = nil
		}
	}
}

// isEcho reports whether line is the echo of a message that waits for it. Echoes
// come in the order of the messages: those before it have none.
func (m *machine) isEcho(line []byte) bool {
	e := &m.echo
	line = trimmed(line, 0, false)
	at := e.head
	for i := 0; i < echoesTold && at < len(e.queue); i++ {
		size := int(binary.NativeEndian.Uint32(e.queue[at:]))
		at += echoHead
		if string(e.queue[at:at+size]) == string(line) {
			for range i + 1 {
				e.forget()
			}
			return true
		}
		at += size
	}
	return false
}
