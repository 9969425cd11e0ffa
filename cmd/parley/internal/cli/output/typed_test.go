package output

import (
	"encoding/hex"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RECORD-04
func TestAppendTyped(t *testing.T) {
	list := parley.Object(&pickle.List{Items: []any{int64(1), "a\nb"}})
	for _, tt := range []struct {
		proto parley.Protocol
		m     parley.Message
		want  string
	}{
		{oneline.Protocol{}, parley.Text("a\x1b[0m\nb"), `a\x1b[0m\nb`},
		{oneline.Protocol{}, parley.Text("int:5"), `text:int:5`},
		{oneline.Protocol{}, parley.Text("@file"), `text:@file`},
		{oneline.Protocol{}, parley.Text("a:b"), `a:b`},
		{oneline.Protocol{}, oneline.WithInvalid(parley.Text("\xff").WithASCII()), `(invalid) hex:ff`},
		{tinyproto.Protocol{}, parley.Bytes([]byte("a")), `a`},
		{tinyproto.Protocol{}, parley.Bytes([]byte{0, 1}), `\x00\x01`},
		{serpy2.Protocol{}, parley.Bytes([]byte("a")), `bytes:a`},
		{serpy2.Protocol{}, parley.Float(1), `float:1.0`},
		{serpy2.Protocol{}, parley.Text("0123456789abcdef"), `0123456789… (16 bytes)`},
		{serpy2.Protocol{}, parley.Text("012345678€"), `012345678… (12 bytes)`},
		{serpy2.Protocol{}, parley.Bytes([]byte("\xff123456789abcdef")), `hex:ff313233343536373839… (16 bytes)`},
		{serpy2.Protocol{}, parley.Bytes(append([]byte("0123456789"), 0xff)), `hex:30313233343536373839… (11 bytes)`}, // the cut part is text, the message is not
		{tinyproto.Protocol{}, parley.Bytes(make([]byte, 40)), `hex:00000000000000000000… (40 bytes)`},
		{serpy.Protocol{}, serpy.WithMode(parley.Bytes([]byte("a")), 1), `(mode 1) a`},
		{serpy.Protocol{}, serpy.WithMode(parley.Bytes([]byte("a")), 3), `(mode 3) bytes:a`},
		{serpy.Protocol{}, serpy.WithMode(list, 4), `(mode 4) json:[1,"a\nb"]`},
		{serpy.Protocol{}, serpy.WithMode(parley.Object(&pickle.Tuple{Items: []any{int64(1)}}), 5), `(mode 5) object:(1,)`},
	} {
		if got := string(AppendTyped([]byte("> "), tt.proto, tt.m, false, 10)); got != "> "+tt.want {
			t.Errorf("%v: %s, want > %s", tt.m, got, tt.want)
		}
	}
	block := append([]byte("#240"), make([]byte, 40)...)
	want := "hex:" + hex.EncodeToString(block) + " (44 bytes)"
	if got := string(AppendTyped(nil, line.Protocol{Blocks: true}, parley.Text(string(block)), false, 1024)); got != want {
		t.Errorf("a block: %s, want %s", got, want)
	}
}
