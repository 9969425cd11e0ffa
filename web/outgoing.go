package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/recording"
)

const (
	// inPieces is the size from which on a value is written in pieces.
	inPieces = 16 << 10
	// pieceSize is how much of it is written at a time; a multiple of 3, for base64.
	pieceSize = 24 << 10
	// smallFrame is the largest whole frame that does not count towards Limits.Frames.
	smallFrame = 64 << 10
)

// outgoing is a frame that a page gets. A large value is not in it: it is written piece by
// piece from the message, which all who hear it share. So a page that takes nothing holds up
// a piece, however large the message is and however many such pages there are.
type outgoing struct {
	binary bool
	before []byte // all of it, if there is no piece
	after  []byte
	value  int                                   // its length
	piece  func(dst []byte, from, to int) []byte // appends what stands in the frame for a part of it
	end    func(from int) int                    // where the piece ends that begins at from; nil: anywhere
}

// whole is a frame that is made at once.
func whole(frame []byte) outgoing { return outgoing{before: frame} }

// writeTo writes the frame.
func (o *outgoing) writeTo(w io.Writer) error {
	_, err := w.Write(o.before)
	var buf []byte
	for from := 0; from < o.value && err == nil; {
		to := min(from+pieceSize, o.value)
		if o.end != nil {
			to = o.end(from)
		}
		buf = o.piece(buf[:0], from, to)
		_, err = w.Write(buf)
		from = to
	}
	if err == nil && len(o.after) > 0 {
		_, err = w.Write(o.after)
	}
	return err
}

// withText has the text of b stand where r has an empty one.
func (r *response) withText(b []byte) outgoing {
	empty := ""
	r.Text = &empty
	o := r.around(`"text":"`)
	o.value = len(b)
	o.end = func(from int) int {
		to := min(from+pieceSize, len(b))
		for to < len(b) && !utf8.RuneStart(b[to]) { // b is UTF-8
			to--
		}
		return to
	}
	o.piece = func(dst []byte, from, to int) []byte { return appendEscaped(dst, b[from:to]) }
	return o
}

// withBase64 has b stand where r has no bytes.
func (r *response) withBase64(b []byte) outgoing {
	r.B64 = []byte{}
	o := r.around(`"b64":"`)
	o.value = len(b)
	o.piece = func(dst []byte, from, to int) []byte { return base64.StdEncoding.AppendEncode(dst, b[from:to]) }
	return o
}

// around cuts r where the value of a key goes. A quotation mark inside of a value has a
// backslash, so that what is found is the key.
func (r *response) around(key string) outgoing {
	all := r.encode()
	at := bytes.Index(all, []byte(key+`"`)) + len(key)
	return outgoing{before: all[:at], after: all[at:]}
}

// appendEscaped appends text as it stands inside of a JSON string.
func appendEscaped(dst, text []byte) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(string(text)) // a string has no errors
	return append(dst, b.Bytes()[1:b.Len()-2]...)
}

// valued returns the frame of r with the value of m.
func (r *response) valued(m parley.Message) outgoing {
	if t := m.Type(); m.Len() >= inPieces && (t == parley.TypeText || t == parley.TypeBytes) && !recording.IsPickle(m) {
		b := m.Bytes()
		r.Value = recording.Recorded(m.WithBytes(nil))
		r.Text, r.B64 = nil, nil
		if utf8.Valid(b) {
			return r.withText(b)
		}
		return r.withBase64(b)
	}
	r.Value = recording.Recorded(m)
	return whole(r.encode())
}

// writeOut writes a frame that make makes when it is its turn, so that one for each socket
// is there at a time. What is whole and large counts towards Limits.Frames; where there is no
// room instead is written.
func (s *socket) writeOut(make func() outgoing, instead func() []byte) error {
	select {
	case s.writing <- struct{}{}:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	defer func() { <-s.writing }()
	o := make()
	kind := websocket.MessageText
	if o.binary {
		kind = websocket.MessageBinary
	}
	if o.piece == nil {
		n := int64(cap(o.before))
		if n > smallFrame {
			if !s.door.made.take(n) {
				return s.ws.Write(s.ctx, websocket.MessageText, instead())
			}
			defer s.door.made.give(n)
		}
		return s.ws.Write(s.ctx, kind, o.before)
	}
	w, err := s.ws.Writer(s.ctx, kind)
	if err != nil {
		return err
	}
	err = o.writeTo(w)
	if end := w.Close(); err == nil {
		err = end
	}
	return err
}
