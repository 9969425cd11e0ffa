package replay

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// What is recorded of a message is sent again as the same bytes, in the same
// mode.
func TestRecordedIsReplayed(t *testing.T) {
	pickled := func(v any, mode int) parley.Message {
		p, err := pickle.Append(nil, v, 2) // not the protocol in which we would write it
		if err != nil {
			t.Fatal(err)
		}
		return serpy.WithMode(parley.Bytes(p), mode)
	}
	big5 := new(big.Int).Exp(big.NewInt(5), big.NewInt(50), nil)
	for proto, messages := range map[parley.Protocol][]parley.Message{
		oneline.Protocol{}:   {parley.Text("a"), parley.Text(""), oneline.WithInvalid(parley.Text("\xff").WithASCII()), parley.Text(" é\r")},
		tinyproto.Protocol{}: {parley.Bytes([]byte("a")), parley.Bytes(nil), parley.Bytes([]byte{0xff})},
		serpy2.Protocol{}:    {parley.Int(5), parley.BigInt(big5), parley.Float(2.5), parley.Text("5"), parley.Bytes([]byte("5"))},
		serpy.Protocol{}: {
			serpy.WithMode(parley.Bytes([]byte("a")), 0), serpy.WithMode(parley.Bytes(nil), 1), serpy.WithMode(parley.Bytes([]byte{0xff}), 2),
			serpy.WithMode(parley.Bytes([]byte("a")), 3), serpy.WithMode(parley.Text("a"), 0),
			pickled(nil, 4), pickled(int64(5), 5), pickled(big5, 4), pickled("text", 5), pickled([]byte{0xff}, 4), pickled(2.5, 4),
			pickled(&pickle.List{Items: []any{"a"}}, 5), pickled(&pickle.Tuple{Items: []any{"a"}}, 4),
			serpy.WithMode(parley.Bytes([]byte("no pickle")), 4),
		},
	} {
		for _, m := range messages {
			line, err := recording.Append(nil, &recording.Entry{Conn: 1, Dir: recording.ToServer, Value: recording.Recorded(m)})
			if err != nil {
				t.Fatal(err)
			}
			entries, err := recording.Read("x", bytes.NewReader(line))
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			r, err := newReplayed(&entries[0], asRecorded(proto))
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			mode, _ := serpy.Mode(m)
			again, _ := serpy.Mode(r.send)
			if !bytes.Equal(output.Payload(r.send), output.Payload(m)) || mode != again {
				t.Errorf("%s is sent as %v, was %v", line, r.send, m)
			}
			s := &session{protocol: asRecorded(proto)}
			if st := (&step{replayed: r}); !s.same(st, m, false) {
				t.Errorf("%s does not match itself", line)
			}
		}
	}
}

// What a person writes for serpy travels as serpy would have it, and an edited
// value counts more than the pickle beside it.
func TestForSerpy(t *testing.T) {
	python := func(v any) string {
		p, err := pickle.Append(nil, v, 5)
		if err != nil {
			t.Fatal(err)
		}
		return string(p)
	}
	for _, tt := range []struct {
		mode int // of the connection
		line string
		want string
		sent int
	}{
		{0, `"text":"a"`, "a", 0},
		{3, `"text":"a"`, "a", 3},
		{0, `"kind":"int","text":"5"`, "5", 0},
		{0, `"b64":"/w=="`, "\xff", 2},
		{1, `"b64":"/w=="`, "\xff", 3},
		{0, `"b64":"/w==","mode":0`, "\xff", 0},
		{0, `"json":[1]`, python(&pickle.List{Items: []any{int64(1)}}), 4},
		{1, `"json":[1]`, python(&pickle.List{Items: []any{int64(1)}}), 5},
		{0, `"json":"a","mode":5`, python("a"), 5},
		{4, `"kind":"int","text":"5"`, python([]byte("5")), 4}, // as serpy does
		{0, `"kind":"int","text":"5","mode":4`, python(int64(5)), 4},
		{0, `"kind":"int","text":"5","mode":4,"pickle":"gAJLBS4="`, "\x80\x02K\x05.", 4},
		{0, `"kind":"int","text":"6","mode":4,"pickle":"gAJLBS4="`, python(int64(6)), 4},
		{0, `"kind":"object","mode":4,"pickle":"AAA="`, "\x00\x00", 4},
	} {
		p := asRecorded(serpy.Protocol{Mode: tt.mode})
		entries, err := recording.Read("x", strings.NewReader(`{"dir":"c2s",`+tt.line+"}"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := newReplayed(&entries[0], p)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if mode, ok := serpy.Mode(r.send); string(output.Payload(r.send)) != tt.want || mode != tt.sent || !ok {
			t.Errorf("%s in mode %d is sent as %v, want %q in mode %d", tt.line, tt.mode, r.send, tt.want, tt.sent)
		}
	}
	for line, want := range map[string]string{
		`"kind":"object","pickle":"AAA="`:                   `a "pickle" needs "mode": 4 or 5`,
		`"kind":"object","mode":2,"pickle":"AAA="`:          `a "pickle" needs "mode": 4 or 5`,
		`"kind":"object","text":"x"`:                        `an object needs "json"`,
		`"kind":"float","text":"x"`:                         `want a number`,
		`"kind":"int","json":[1]`:                           `kind "int" with "json"`,
		`"kind":"text","text":"€","mode":0`:                 ``, // refused when it is sent
		`"text":"€","mode":4,"pickle":"gAVYAwAAAOKCrJQu"`:   ``,
		`"kind":"object","text":"'€'","mode":4,"pickle":""`: `only describes`,
	} {
		entries, err := recording.Read("x", strings.NewReader(`{"dir":"c2s",`+line+"}"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = newReplayed(&entries[0], asRecorded(serpy.Protocol{}))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x:1:")) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// Types, values and modes must be those of the recording, where the wire tells
// them.
func TestSame(t *testing.T) {
	encoding, err := serpy.LookupEncoding("latin-1")
	if err != nil {
		t.Fatal(err)
	}
	latin := serpy.Protocol{Encoding: encoding}
	for _, tt := range []struct {
		proto parley.Protocol
		line  string
		got   parley.Message
		want  bool
	}{
		{serpy2.Protocol{}, `"text":"5"`, parley.Text("5"), true},
		{serpy2.Protocol{}, `"text":"5"`, parley.Int(5), false},
		{serpy2.Protocol{}, `"kind":"int","text":"5"`, parley.Int(5), true},
		{serpy2.Protocol{}, `"kind":"int","text":"5"`, parley.Int(6), false},
		{serpy2.Protocol{}, `"kind":"float","text":"nan"`, parley.Float(0), false},
		{tinyproto.Protocol{}, `"text":"a"`, parley.Bytes([]byte("a")), true},
		{tinyproto.Protocol{}, `"b64":"YQ=="`, parley.Bytes([]byte("a")), true},
		{tinyproto.Protocol{}, `"text":"a"`, parley.Bytes([]byte("ab")), false},
		{oneline.Protocol{}, `"text":" a "`, parley.Text("a"), false},
		{latin, `"text":"é","mode":0`, serpy.WithMode(parley.Bytes([]byte{0xe9}), 0), true},
		{latin, `"text":"é"`, serpy.WithMode(parley.Bytes([]byte{0xe9}), 1), true},
		{latin, `"text":"é","mode":0`, serpy.WithMode(parley.Bytes([]byte{0xe9}), 1), false},
		{latin, `"text":"€"`, serpy.WithMode(parley.Bytes([]byte{0xe9}), 1), false},
		{latin, `"json":{"a":1}`, serpy.WithMode(parley.Bytes([]byte("\x80\x02}X\x01\x00\x00\x00aK\x01s.")), 4), true},
		{latin, `"json":{"a":2}`, serpy.WithMode(parley.Bytes([]byte("\x80\x02}X\x01\x00\x00\x00aK\x01s.")), 4), false},
	} {
		entries, err := recording.Read("x", strings.NewReader(`{"dir":"c2s",`+tt.line+"}"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := newReplayed(&entries[0], asRecorded(tt.proto))
		if err != nil {
			t.Fatalf("%s: %v", tt.line, err)
		}
		s := &session{protocol: asRecorded(tt.proto)}
		if got := s.same(&step{replayed: r}, tt.got, false); got != tt.want {
			t.Errorf("%s and %v: %v, want %v", tt.line, tt.got, got, tt.want)
		}
	}
	s := &session{protocol: oneline.Protocol{}}
	padded := &step{replayed: replayed{value: parley.Text(" \ta\u00a0\r")}}
	if !s.same(padded, parley.Text("a"), true) {
		t.Error("the white space around a oneline server's line counts")
	}
}
