package web

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
)

// A large value is written in pieces, and the frame is the same to the byte as one that was
// made at once.
//
// Verifies: WEB-25
func TestInPieces(t *testing.T) {
	at := time.Unix(1, 0).UTC()
	long := func(part string) string { return strings.Repeat(part, 3*pieceSize/len(part)+1) }
	random := make([]byte, 2*pieceSize+1)
	for i := range random {
		random[i] = byte(i * i >> 3)
	}
	for name, m := range map[string]parley.Message{
		"text":        parley.Text(long("x")),
		"runes":       parley.Text("a" + long("€")),
		"four bytes":  parley.Text("ab" + long("😀")),
		"escapes":     parley.Text(long("\"\\\n\x00<&> \x7f")),
		"exactly":     parley.Text(strings.Repeat("x", inPieces)),
		"a piece":     parley.Text(strings.Repeat("x", pieceSize)),
		"text's key":  parley.Text(long(`"text":"`)),
		"no UTF-8":    parley.Bytes(append([]byte(long("€")), 0xe2, 0x82)),
		"bytes":       parley.Bytes(random),
		"bytes, text": parley.Bytes([]byte(long("abc"))),
		"a mode":      serpy.WithMode(parley.Bytes(random), 3),
		"a pickle":    serpy.WithMode(parley.Bytes(random), 5),
		"an object":   parley.Object([]any{long("x")}),
		"short":       parley.Text("hello"),
		"invalid":     parley.Text(long("x")).WithTag(0x4F4C_0001),
	} {
		r := response{Ref: []byte("7"), Dir: "s2c", From: `"b64":""`, TS: &at}
		want := r
		want.Value = recording.Recorded(m)
		var got bytes.Buffer
		o := r.valued(m)
		if err := o.writeTo(&got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.encode()) {
			t.Errorf("%s: %.80q… %d bytes, want %.80q… %d", name, got.Bytes(), got.Len(), want.encode(), len(want.encode()))
		}
		if large := m.Len() >= inPieces && name != "a pickle"; large != (o.piece != nil) {
			t.Errorf("%s: of %d bytes, in pieces: %v", name, m.Len(), o.piece != nil)
		}
	}
}

// In the binary form, and as an image, the pieces are the whole.
//
// Verifies: WEB-06
func TestBinaryInPieces(t *testing.T) {
	b := make([]byte, 4*pieceSize+8)
	for i := range b {
		b[i] = byte(i * 7)
	}
	o := event(1, 2, Message{Message: parley.Bytes(b), At: time.Unix(1, 0)}, true)
	var got bytes.Buffer
	if err := o.writeTo(&got); err != nil || !bytes.HasSuffix(got.Bytes(), b) || got.Len()%8 != len(b)%8 {
		t.Error(err, got.Len())
	}
	low, high := 0.0, 255.0
	f := &imageForm{Type: "uint8", Width: len(b) / 8, Height: 8, Low: &low, High: &high}
	o, err := f.event(1, 2, Message{Message: parley.Bytes(b), At: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	got.Reset()
	if err := o.writeTo(&got); err != nil || !bytes.HasSuffix(got.Bytes(), b) {
		t.Error("another image", err)
	}
}
