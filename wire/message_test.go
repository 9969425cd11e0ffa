package wire

import (
	"strings"
	"testing"
	"unsafe"
)

// Verifies: WIRE-01
func TestMessageSize(t *testing.T) {
	if n, words := unsafe.Sizeof(Message{}), 4*unsafe.Sizeof(uint64(0)); n > words {
		t.Errorf("a message takes %d bytes, want at most %d: it travels in registers", n, words)
	}
}

// A tag stays with its message, whatever else becomes of that.
//
// Verifies: WIRE-01
func TestTag(t *testing.T) {
	const tag = 0xFFFF_FFFE
	for name, m := range map[string]Message{
		"as it was": Text("a").WithTag(tag),
		"confirm":   Text("a").WithTag(tag).WithConfirm(),
		"ascii":     Text("a").WithASCII().WithTag(tag),
		"bytes":     Text("a").WithTag(tag).WithBytes([]byte("b")),
		"as bytes":  Text("a").WithTag(tag).AsBytes([]byte("b")),
		"clone":     Int(1).WithTag(tag).Clone(),
		"replaced":  Object(nil).WithTag(1).WithTag(tag),
	} {
		if m.Tag() != tag {
			t.Errorf("%s: tag %08x", name, m.Tag())
		}
		if none := m.WithTag(0); none.Tag() != 0 || none.Type() != m.Type() || none.Confirm() != m.Confirm() || none.Text() != m.Text() {
			t.Errorf("%s: %v without its tag is %v", name, m, none)
		}
	}
	if m := Text("a").WithTag(tag); m.Confirm() || m.Text() != "a" || m.Type() != TypeText {
		t.Errorf("the tag has changed the message to %v", m)
	}
	ev := Event{Message: Text("a").WithTag(tag)}
	if ev.SetText([]byte("b")); ev.Message.Tag() != 0 {
		t.Error("an event keeps the tag of the one before")
	}
	if ev.SetTag(7); ev.Message.Tag() != 7 || ev.Message.Text() != "b" {
		t.Errorf("%v", ev.Message)
	}
	if s := Text("a").WithTag(0xAB).String(); s != `text[1] "a" tag 000000ab` {
		t.Error(s)
	}
}

// Verifies: WIRE-01
func TestWithASCII(t *testing.T) {
	m := Text("h\xc3\xa9llo\xff").WithASCII()
	if m.Text() != "hllo" || string(m.Bytes()) != "h\xc3\xa9llo\xff" {
		t.Errorf("%q, %q", m.Text(), m.Bytes())
	}
	if _, ok := m.Plain(); ok {
		t.Error("its text is not its bytes")
	}
}

type words struct{ Protocol }

func (words) DescribeTag(tag uint32) string { return strings.Repeat("x", int(tag)) }

// Verifies: WIRE-02
func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		p    Protocol
		tag  uint32
		want string
	}{
		{words{}, 3, `text[1] "a" xxx`},
		{words{}, 0, `text[1] "a"`},
		{struct{ Protocol }{}, 3, `text[1] "a" tag 00000003`},
	} {
		if got := Describe(tt.p, Text("a").WithTag(tt.tag)); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
