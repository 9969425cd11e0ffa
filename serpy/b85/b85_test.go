package b85

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// What base64.b85encode makes of these bytes.
var encodings = []struct{ data, text string }{
	{"", ""},
	{"\x00", "00"},
	{"\xff", "{{"},
	{"a", "VE"},
	{"ab", "VPX"},
	{"abc", "VPaz"},
	{"abcd", "VPa!s"},
	{"abcde", "VPa!sWd"},
	{"\x00\x00\x00\x00", "00000"},
	{"\xff\xff\xff\xff", "|NsC0"},
	{"\xff\xff\xff\xff\xff", "|NsC0{{"},
	{"hello world", "Xk~0{Zy<MXa%^M"},
	{"\x00\x01\x7f\x80\xfe\xff", "00Do1{{H"},
}

// What base64.b85decode makes of texts that b85encode never writes.
var oddities = []struct {
	text string
	data string
	err  *Error
}{
	{text: "0", data: ""}, // a lone character: nothing
	{text: "{", data: ""}, // the highest that fits
	{text: "|", err: &Error{Offset: 0, Byte: '|', Overflow: true}}, // padded with ~
	{text: "~", err: &Error{Offset: 0, Byte: '~', Overflow: true}},
	{text: "VPa!sW", data: "abcd"},
	{text: "VF", data: "a"}, // bits beyond the cut are ignored
	{text: "~~~~~", err: &Error{Offset: 0, Byte: '~', Overflow: true}},
	{text: "|NsC1", err: &Error{Offset: 0, Byte: '|', Overflow: true}},
	{text: "VPa!s~~~~", err: &Error{Offset: 5, Byte: '~', Overflow: true}},
	{text: "VPa!s|NsC1VPa!s", err: &Error{Offset: 5, Byte: '|', Overflow: true}},
	{text: "VPaz d", err: &Error{Offset: 4, Byte: ' '}},
	{text: "VPa!sV\n", err: &Error{Offset: 6, Byte: '\n'}},
	{text: "~~~~\xff", err: &Error{Offset: 4, Byte: 0xff}}, // foreign goes before overflow
	{text: "VPa!s\"", err: &Error{Offset: 5, Byte: '"'}},
}

// Verifies: B85-01, B85-02
func TestEncodings(t *testing.T) {
	for _, c := range encodings {
		if got := Encode([]byte("x"), []byte(c.data)); string(got) != "x"+c.text {
			t.Errorf("Encode(%q) = %q, want %q", c.data, got[1:], c.text)
		}
		if got, err := Decode([]byte("x"), []byte(c.text)); err != nil || string(got) != "x"+c.data {
			t.Errorf("Decode(%q) = %q, %v, want %q", c.text, got, err, c.data)
		}
	}
}

// Verifies: B85-02, B85-03
func TestOddities(t *testing.T) {
	for _, c := range oddities {
		dst := []byte("x")
		got, err := Decode(dst, []byte(c.text))
		if c.err == nil {
			if err != nil || string(got) != "x"+c.data {
				t.Errorf("Decode(%q) = %q, %v, want %q", c.text, got, err, c.data)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || *e != *c.err {
			t.Errorf("Decode(%q): error %v, want %v", c.text, err, c.err)
		}
		if string(got) != "x" {
			t.Errorf("Decode(%q) changed dst to %q with an error", c.text, got)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Offset: 5, Byte: '~', Overflow: true}, "b85: group at byte 5 exceeds FFFFFFFF: the text is damaged or is no base85"},
		{Error{Offset: 7, Byte: '\n'}, `b85: character '\n' at byte 7 is outside the alphabet: the text is damaged or is no base85`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// Every byte is either a digit or an error, in every place of a group.
//
// Verifies: B85-03
func TestAlphabet(t *testing.T) {
	for c := range 256 {
		for place := range 10 {
			text := []byte("0000000000")
			text[place] = byte(c)
			_, err := Decode(nil, text)
			var e *Error
			foreign := errors.As(err, &e) && !e.Overflow && e.Offset == place && e.Byte == byte(c)
			if known := strings.IndexByte(alphabet, byte(c)) >= 0; known == foreign {
				t.Errorf("byte %#x in place %d: %v", c, place, err)
			}
		}
	}
}

// Round trips of all lengths, in a new slice and in place.
//
// Verifies: B85-01, B85-02, B85-04
func TestRoundTrip(t *testing.T) {
	for n := range 300 {
		data := randomBytes(uint64(n), n)
		text := Encode(nil, data)
		if len(text) != EncodedLen(n) || DecodedLen(len(text)) != n {
			t.Fatalf("%d bytes: %d characters, EncodedLen %d, DecodedLen %d", n, len(text), EncodedLen(n), DecodedLen(len(text)))
		}
		if want := slowEncode(data); string(text) != want {
			t.Fatalf("Encode(%x) = %q, want %q", data, text, want)
		}
		got, err := Decode(nil, text)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("Decode(%q) = %x, %v, want %x", text, got, err, data)
		}
		got, err = Decode(text[:0], text)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("in place: %x, %v, want %x", got, err, data)
		}
		if n > 0 && &got[0] != &text[0] {
			t.Fatalf("%d bytes: not decoded in place", n)
		}
	}
}

// Verifies: B85-04
func TestNoAllocation(t *testing.T) {
	data := randomBytes(1, 1001)
	text := make([]byte, 0, EncodedLen(len(data)))
	if n := testing.AllocsPerRun(100, func() {
		text = Encode(text[:0], data)
		got, err := Decode(text[:0], text)
		if err != nil || !bytes.Equal(got, data) {
			t.Error("round trip failed", err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The oracle: what this package does with random data and with random, mostly
// damaged text is what Python does.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing: base64.b85encode can't be asked; the tables of TestEncodings and TestOddities hold the same facts")
	}
	const script = `
import base64, sys
for line in sys.stdin:
    what, data = line[0], bytes.fromhex(line[1:])
    try:
        print('=' + (base64.b85encode if what == 'E' else base64.b85decode)(data).hex())
    except ValueError as e:
        print('!' + str(e))
`
	var ask strings.Builder
	var want []string
	add := func(what byte, data []byte) {
		ask.WriteString(string(what) + hex.EncodeToString(data) + "\n")
		if what == 'E' {
			want = append(want, "="+hex.EncodeToString(Encode(nil, data)))
			return
		}
		got, err := Decode(nil, data)
		var e *Error
		switch {
		case err == nil:
			want = append(want, "="+hex.EncodeToString(got))
		case errors.As(err, &e) && e.Overflow:
			want = append(want, "!base85 overflow in hunk starting at byte "+strconv.Itoa(e.Offset))
		case errors.As(err, &e):
			want = append(want, "!bad base85 character at position "+strconv.Itoa(e.Offset))
		}
	}
	for _, c := range encodings {
		add('E', []byte(c.data))
		add('D', []byte(c.text))
	}
	for _, c := range oddities {
		add('D', []byte(c.text))
	}
	for c := range 256 {
		add('D', []byte{byte(c)})
		add('D', []byte{'|', byte(c)})
		add('D', []byte{'|', 'N', 's', 'C', byte(c)})
	}
	r := rand.New(rand.NewPCG(85, 4))
	for i := range 2000 {
		data := randomBytes(uint64(i), r.IntN(40))
		add('E', data)
		text := Encode(nil, data)
		add('D', text)
		for range r.IntN(3) {
			if len(text) > 0 {
				text[r.IntN(len(text))] = alphabet[r.IntN(len(alphabet))]
			}
		}
		add('D', text)
	}
	cmd := exec.Command(python, "-c", script)
	cmd.Stdin = strings.NewReader(ask.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	asked := strings.Split(ask.String(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d answers to %d questions", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: Python says %s, we say %s", asked[i], got[i], want[i])
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range encodings {
		f.Add([]byte(c.text))
	}
	for _, c := range oddities {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, ok := slowDecode(text)
		got, err := Decode(nil, text)
		if (err == nil) != ok || !bytes.Equal(got, want) {
			t.Fatalf("Decode(%q) = %x, %v, want %x, %v", text, got, err, want, ok)
		}
		if len(got) != 0 && len(got) != DecodedLen(len(text)) {
			t.Fatalf("Decode(%q) gives %d bytes, DecodedLen %d", text, len(got), DecodedLen(len(text)))
		}
		inPlace := bytes.Clone(text)
		if again, err2 := Decode(inPlace[:0], inPlace); (err2 == nil) != ok || !bytes.Equal(again, want) {
			t.Fatalf("in place Decode(%q) = %x, %v, want %x, %v", text, again, err2, want, ok)
		}
		if round, err := Decode(nil, Encode(nil, text)); err != nil || !bytes.Equal(round, text) {
			t.Fatalf("%x comes back as %x, %v", text, round, err)
		}
	})
}

// slowEncode and slowDecode say the same as the package, digit by digit.
func slowEncode(data []byte) string {
	pad := -len(data) & 3
	data = append(bytes.Clone(data), make([]byte, pad)...)
	var out []byte
	for ; len(data) > 0; data = data[4:] {
		v := uint64(data[0])<<24 | uint64(data[1])<<16 | uint64(data[2])<<8 | uint64(data[3])
		var group [5]byte
		for i := 4; i >= 0; i-- {
			group[i] = alphabet[v%85]
			v /= 85
		}
		out = append(out, group[:]...)
	}
	return string(out[:len(out)-pad])
}

func slowDecode(text []byte) ([]byte, bool) {
	var out []byte
	for len(text) > 0 {
		n := min(len(text), 5)
		group := string(text[:n]) + "~~~~~"[n:]
		v := uint64(0)
		for i := range 5 {
			digit := strings.IndexByte(alphabet, group[i])
			if digit < 0 {
				return nil, false
			}
			v = v*85 + uint64(digit)
		}
		if v >= 1<<32 {
			return nil, false
		}
		out = append(out, []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}[:n-1]...)
		text = text[n:]
	}
	return out, true
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 85))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}
