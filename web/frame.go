package web

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/recording"
)

// request is a frame that a page sends; docs/protocol/web.md.
type request struct {
	Op     string          `json:"op"`
	Ticket string          `json:"ticket"`
	Token  string          `json:"token"`
	ID     *uint32         `json:"id"`
	To     string          `json:"to"`
	Policy string          `json:"policy"`
	Binary *bool           `json:"binary"`
	N      int             `json:"n"`
	Ref    json.RawMessage `json:"ref"`
	Wait   float64         `json:"timeout"` // seconds
	Credit int             `json:"credit"`
	Filter *filter         `json:"filter"`
	Image  *imageForm      `json:"image"`
	X      int             `json:"x"`
	Y      int             `json:"y"`
	Conn   string          `json:"conn"`
	Reason string          `json:"reason"`
	Ban    float64         `json:"ban"` // seconds

	Kind   string          `json:"kind"`
	Text   *string         `json:"text"`
	B64    *[]byte         `json:"b64"`
	JSON   json.RawMessage `json:"json"`
	Pickle []byte          `json:"pickle"`
	Mode   *int            `json:"mode"`
}

// maxRef bounds what a page may have told back to it.
const maxRef = 64

// parseRequest reads a text frame. What could be read is returned with an error too, so
// that the answer can name its ref.
func parseRequest(b []byte) (request, error) {
	var r request
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&r)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field == "id" {
		r.ID = nil // it has none, not the zero that is left there
	}
	if err != nil {
		err = explained(err)
	} else {
		if _, end := d.Token(); end != io.EOF {
			err = errors.New("more than one JSON value in the frame")
		}
	}
	if string(r.Ref) == "null" {
		r.Ref = nil
	}
	if len(r.Ref) > maxRef || len(r.Ref) > 0 && bytes.IndexByte([]byte("{[tf"), r.Ref[0]) >= 0 {
		r.Ref = nil
		err = errors.Join(err, fmt.Errorf(`"ref" is a number or a text of at most %d bytes`, maxRef))
	}
	return r, err
}

// explained says in the language of pages what is wrong with a frame's JSON.
func explained(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var b64 base64.CorruptInputError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf(`a frame is an object, {"op":…}, not %s`, article(kind.Value))
	case errors.As(err, &kind):
		return fmt.Errorf("%q can't be %s: want %s", kind.Field, article(kind.Value), wanted(kind.Type.Kind()))
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON, at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &b64):
		return fmt.Errorf("not base64, at its byte %d", int64(b64))
	case err == io.EOF:
		return errors.New(`an empty frame: want an object, {"op":…}`)
	case err == io.ErrUnexpectedEOF:
		return errors.New("the JSON ends before its end")
	}
	return err
}

// article names a value of JSON: "number -1" is the number -1.
func article(value string) string {
	if strings.Contains(value, " ") {
		return "the " + value
	}
	if value == "array" || value == "object" {
		return "an " + value
	}
	return "a " + value
}

// wanted says what a key's value must be.
func wanted(k reflect.Kind) string {
	switch k {
	case reflect.Uint32:
		return "an integer from 0 to 4294967295"
	case reflect.Int:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a text in base64"
	}
	return "an object"
}

// message returns the message of a send or call.
func (r *request) message() (parley.Message, error) {
	v := recording.Value{Kind: r.Kind, Text: r.Text, JSON: r.JSON, Pickle: r.Pickle, Mode: r.Mode}
	if r.B64 != nil {
		v.B64 = *r.B64
	}
	if v.Kind == "" && v.Text != nil {
		v.Kind = "text"
	}
	return v.Message()
}

// The binary form: version, kind, length of the header, subscription, sequence, time,
// header, zeros up to a multiple of 8, payload. All numbers are little-endian, as a browser has them.
const (
	binaryVersion = 1
	binaryHead    = 24
	// BinaryBytes is the kind of a binary frame with a message's bytes; BinaryImage that of an
	// image of 8 bits, whose header has its width, height, low and high.
	BinaryBytes = 1
	BinaryImage = 2
	// binaryFrom is how large a message's bytes must be for the binary form.
	binaryFrom = 1 << 10
)

// appendBinary appends the binary form up to its payload.
func appendBinary(dst []byte, kind byte, id uint32, seq uint64, at time.Time, header []byte) []byte {
	dst = append(dst, binaryVersion, kind)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(header)))
	dst = binary.LittleEndian.AppendUint32(dst, id)
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at.UnixNano()))
	dst = append(dst, header...)
	for len(dst)%8 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// parseBinary reads a binary frame of a page: the header is the request, the payload its
// bytes.
func parseBinary(b []byte) (request, parley.Message, error) {
	var none parley.Message
	if len(b) < binaryHead || b[0] != binaryVersion || b[1] != BinaryBytes {
		return request{}, none, errors.New("a binary frame of another form")
	}
	end := binaryHead + int(binary.LittleEndian.Uint16(b[2:]))
	body := (end + 7) &^ 7
	if len(b) < body {
		return request{}, none, errors.New("a binary frame that is cut off")
	}
	r, err := parseRequest(b[binaryHead:end])
	if err != nil {
		return r, none, err
	}
	if r.Text != nil || r.B64 != nil || r.JSON != nil {
		return r, none, errors.New("a binary frame's value is its payload: its header has none")
	}
	bytes := b[body:]
	v := recording.Value{Kind: r.Kind, B64: bytes, Mode: r.Mode}
	if v.B64 == nil {
		v.B64 = []byte{}
	}
	m, err := v.Message()
	return r, m, err
}

// response is a frame that a page gets.
type response struct {
	Op    string          `json:"op,omitempty"`
	ID    *uint32         `json:"id,omitempty"`
	Seq   uint64          `json:"seq,omitempty"`
	Ref   json.RawMessage `json:"ref,omitempty"`
	TS    *time.Time      `json:"ts,omitempty"`
	Dir   string          `json:"dir,omitempty"`
	From  string          `json:"from,omitempty"`
	Peer  string          `json:"peer,omitempty"`
	Proto string          `json:"proto,omitempty"`
	recording.Value
	Len    int    `json:"len,omitempty"` // of a binary frame's payload
	Missed uint64 `json:"missed,omitempty"`
	Error  string `json:"error,omitempty"`
	// Of an image.
	Width  int      `json:"width,omitempty"`
	Height int      `json:"height,omitempty"`
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
	// Of who and nodes.
	Members *[]cluster.Member   `json:"members,omitempty"`
	Silent  []string            `json:"silent,omitempty"`
	Nodes   *[]cluster.NodeInfo `json:"nodes,omitempty"`
	// Of hello.
	User    string       `json:"user,omitempty"`
	Scopes  string       `json:"scopes,omitempty"` // for *
	Targets []targetInfo `json:"targets,omitempty"`
}

// targetInfo is what a page is told of a target that it may reach.
type targetInfo struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Scopes string `json:"scopes"`
	State  string `json:"state"`
}

// encode returns a frame. Its only errors are of values that JSON can't have, which there
// are none of.
func (r *response) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return []byte(`{"error":` + strconv.Quote(err.Error()) + `}`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// event returns the frame of what a subscription gets. binary is false for those who
// want text.
func event(id uint32, seq uint64, m Message, binary bool) outgoing {
	at := m.At.UTC()
	r := response{ID: &id, Seq: seq, TS: &at, Dir: m.Dir, From: m.From, Peer: m.Peer, Proto: m.Proto, Error: m.Error, Missed: m.Missed}
	if m.Missed > 0 || m.Error != "" {
		return whole(r.encode())
	}
	if binary && m.Type() == parley.TypeBytes && m.Len() > binaryFrom {
		// The header has the same keys, the value's excepted.
		r.Kind, r.Len, r.ID, r.Seq, r.TS = "bytes", m.Len(), nil, 0, nil
		b := m.Bytes()
		return outgoing{binary: true, before: appendBinary(make([]byte, 0, binaryHead+256), BinaryBytes, id, seq, at, r.encode()),
			value: len(b), piece: func(dst []byte, from, to int) []byte { return append(dst, b[from:to]...) }}
	}
	return r.valued(m.Message)
}
