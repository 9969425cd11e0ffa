package serpy2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/parley-net/parley/serpy"

	"github.com/parley-net/parley/wire"
)

// Verifies: SERPY2-01, SERPY2-02, SERPY2-04
func TestSend(t *testing.T) {
	m := Protocol{}.New(wire.Dialing, wire.Limits{MaxMessage: 1}) // the limit is for receiving
	for _, c := range []struct {
		msg  wire.Message
		want string
	}{
		{wire.Int(123), "decafecafe 01 7b000000 08000000 7b00000000000000"},
		{wire.Int(-1), "decafecafe 01 f8070000 08000000 ffffffffffffffff"},
		{wire.BigInt(big.NewInt(math.MinInt64)), "decafecafe 01 80000000 08000000 0000000000000080"},
		{wire.Float(12.35), "decafecafe 11 a0040000 14000000 3078312e38623333333333333333333333702b33"},
		{wire.Float(math.Copysign(0, -1)), "decafecafe 11 2e020000 09000000 2d3078302e30702b30"},
		{wire.Text("hello"), "decafecafe 21 14020000 05000000 68656c6c6f"},
		{wire.Text(""), "decafecafe 21 00000000 00000000"},
		{wire.Text("µù"), "decafecafe 21 f3020000 04000000 c2b5c3b9"},
		{wire.Bytes([]byte{0, 0xFF}), "decafecafe 81 ff000000 02000000 00ff"},
		{wire.Bytes(nil), "decafecafe 81 00000000 00000000"},
		{serpy.WithMode(wire.Bytes([]byte("x")), 3).WithConfirm(), "decafecafe 81 78000000 01000000 78"},
	} {
		out, sent, err := m.Send([]byte("before"), c.msg)
		want := "6265666f7265" + strings.ReplaceAll(c.want, " ", "")
		if fmt.Sprintf("%x", out) != want || sent != (wire.Sent{}) || err != nil {
			t.Errorf("Send(%v) = %x, %+v, %v, want %s", c.msg, out, sent, err, want)
		}
	}
}

func TestSendLarge(t *testing.T) {
	m := Protocol{}.New(wire.Dialing, wire.Limits{})
	payload := bytes.Repeat([]byte("0123456789abcdef"), copyLimit/16)
	for _, c := range []struct {
		n    int
		body wire.Body
	}{{copyLimit - 1, wire.BodyNone}, {copyLimit, wire.BodyFollows}} {
		out, sent, err := m.Send(nil, wire.Bytes(payload[:c.n]))
		if sent.Body != c.body || err != nil {
			t.Fatalf("%d bytes: %+v, %v", c.n, sent, err)
		}
		if c.body == wire.BodyFollows {
			out = append(out, payload[:c.n]...)
			m.BodySent()
		}
		if !bytes.Equal(out, block(kindBytes, string(payload[:c.n]))) {
			t.Errorf("%d bytes: the block is wrong", c.n)
		}
	}
}

// Verifies: SERPY2-02, SERPY2-06, SERPY2-09
func TestSendErrors(t *testing.T) {
	m := Protocol{}.New(wire.Dialing, wire.Limits{})
	huge := new(big.Int).Lsh(big.NewInt(1), 63)
	for _, msg := range []wire.Message{
		wire.BigInt(huge), wire.BigInt(new(big.Int).Sub(new(big.Int).Neg(huge), big.NewInt(1))),
		wire.Object(nil), wire.Object([]any{1}), wire.Text("\xFF"), wire.Text("\xED\xA0\x80"), wire.TextBytes([]byte("cut \xE2\x82")),
	} {
		if out, sent, err := m.Send([]byte("x"), msg); string(out) != "x" || sent != (wire.Sent{}) || !errors.Is(err, wire.ErrNotRepresentable) {
			t.Errorf("Send(%v) = %q, %+v, %v, want ErrNotRepresentable", msg, out, sent, err)
		}
	}
	if out, _, err := m.SendHead([]byte("x"), 5); string(out) != "x" || !errors.Is(err, wire.ErrNotRepresentable) {
		t.Errorf("SendHead = %q, %v, want ErrNotRepresentable", out, err)
	}
	if out := m.Close([]byte("x")); string(out) != "x" {
		t.Errorf("the farewell is %q, want none", out[1:])
	}
	if out, _, err := m.Send([]byte("x"), wire.Int(1)); string(out) != "x" || !errors.Is(err, wire.ErrLeft) {
		t.Errorf("Send after Close = %q, %v, want ErrLeft", out, err)
	}
}

// The header is what Python's struct.pack("<5sBII", ...) gives.
//
// Verifies: SERPY2-01
func TestHeader(t *testing.T) {
	h := header{0x21, 0x04030201, 0xFFFEFDFC}
	p := h.append(nil)
	if fmt.Sprintf("%x", p) != "decafecafe2101020304fcfdfeff" || len(p) != headerSize {
		t.Errorf("the header is %x", p)
	}
	if got := parseHeader(p); got != h {
		t.Errorf("it is read %+v", got)
	}
	if n := binary.LittleEndian.Uint32(p[10:]); n != h.length {
		t.Errorf("the length is %d", n)
	}
}
