package web

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
)

const (
	// elementMemory is about what a number, a text or a list in a value takes in memory,
	// with what it becomes on its way.
	elementMemory = 128
	// maxDigits is the longest text of a number: as in pickles, and in Python.
	maxDigits = 4300
	// largeFrame is from how many bytes on few frames are parsed at a time, as that takes
	// a few times their length.
	largeFrame, largeFrames = 1 << 20, 2
)

// parse reads a frame of a page: what it asks for, with the message of a send or call. give,
// if it is not nil, gives back the room that the message takes.
func (d *Door) parse(kind websocket.MessageType, b []byte) (r request, m parley.Message, give func(), err error) {
	if len(b) > largeFrame {
		d.large <- struct{}{}
		defer func() { <-d.large }()
	}
	if kind == websocket.MessageBinary {
		r, m, err = parseBinary(b)
		return r, m, nil, err
	}
	if !utf8.Valid(b) {
		return r, m, nil, errors.New("a text frame that is not UTF-8")
	}
	if r, err = parseRequest(b); err != nil || r.Op != "send" && r.Op != "call" {
		return r, m, nil, err
	}
	if give, err = d.unpack(&r); err == nil {
		m, err = r.message()
	}
	return r, m, give, err
}

// unpack takes room for what the value of a frame becomes in memory, which may be many
// times its length, until done is called.
func (d *Door) unpack(r *request) (done func(), err error) {
	if r.Text != nil && (r.Kind == "int" || r.Kind == "float") && len(*r.Text) > maxDigits {
		return nil, fmt.Errorf("%s: at most %d digits are taken", r.Kind, maxDigits)
	}
	n := int64(0)
	for _, mark := range []string{",", "[", "{"} {
		n += int64(bytes.Count(r.JSON, []byte(mark)))
	}
	n *= elementMemory
	if most := 2 * d.o.Limits.Frame; n > most {
		return nil, fmt.Errorf("a value of some %d elements: at most %d are taken; more go as bytes", n/elementMemory, most/elementMemory)
	}
	if r.Pickle != nil {
		n += min(pickleMemory, 48*int64(len(r.Pickle)))
	}
	if !d.frames.take(n) {
		return nil, errNoRoom
	}
	return func() { d.frames.give(n) }, nil
}

// pickleMemory is what package pickle lets a value occupy by itself.
const pickleMemory = 32 << 20
