package output

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
)

// AppendTyped appends a message on one line, in the form in which it can be
// given to send: with its type in front, where the wire has more than one.
func AppendTyped(dst []byte, p parley.Protocol, m parley.Message, asHex bool, most int) []byte {
	if oneline.Invalid(m) {
		dst = append(dst, "(invalid) "...)
	}
	if mode, ok := serpy.Mode(m); ok {
		dst = append(strconv.AppendInt(append(dst, "(mode "...), int64(mode), 10), ") "...)
	}
	kind, b := m.Type().String(), Payload(m)
	if j, ok := recording.ToJSON(m.Object()); ok && m.Type() == parley.TypeObject && !asHex {
		kind, b = "json", j
	}
	rest, binary := "", isBinary(b)
	if size := len(b); most > 0 && size > most {
		if b = b[:most]; !binary {
			b = trimRune(b)
		}
		rest = fmt.Sprintf("… (%d bytes)", size)
	} else if binary && size > bigBinary {
		rest = fmt.Sprintf(" (%d bytes)", size)
	}
	mode, _ := serpy.Mode(m)
	bare := bits.OnesCount8(uint8(p.Traits().Types)) == 1 || // nothing but this type
		m.Type() == parley.TypeBytes && p.Name() == "serpy" && mode < 2 // what text becomes there
	switch {
	case asHex:
		return append(hex.AppendEncode(dst, b), rest...)
	case binary:
		return append(hex.AppendEncode(append(dst, "hex:"...), b), rest...)
	case m.Type() == parley.TypeText || bare:
		kind = ""
		if before, _, ok := bytes.Cut(b, []byte(":")); ok && input.IsKind(string(before)) || bytes.HasPrefix(b, []byte("@")) {
			kind = "text"
		}
	}
	if kind != "" {
		dst = append(append(dst, kind...), ':')
	}
	return append(terminal.AppendOneLine(dst, b), rest...)
}

// bigBinary is from which length on, in bytes, what looks like no text is shown in
// hexadecimal and with its length: as escapes nobody could read it.
const bigBinary = 32

// isBinary reports whether b is no text, as far as its beginning tells: it is no
// UTF-8, or it is long and more than a tenth of it would be escapes.
func isBinary(b []byte) bool {
	const most = 64 << 10
	if len(b) > most {
		b = trimRune(b[:most])
	}
	if !utf8.Valid(b) {
		return true
	}
	if len(b) <= bigBinary {
		return false
	}
	controls := 0
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != 0x1b || c == 0x7f {
			controls++
		}
	}
	return controls*10 > len(b)
}

// trimRune removes the beginning of a character at the end of b.
func trimRune(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
