package bridge

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/recording"
)

// readForm reads a message as input.Parse does, but for "@FILE": it comes from
// a peer. What has no type in front is of type native, text or bytes.
func readForm(text string, native parley.Type) (parley.Message, error) {
	if kind, value, ok := strings.Cut(text, ":"); ok && input.IsKind(kind) {
		return input.Typed(kind, value)
	}
	return input.Typed(native.String(), text)
}

// writeForm writes a message so that readForm reads it.
func writeForm(m parley.Message, native parley.Type) (string, error) {
	switch m.Type() {
	case parley.TypeInt, parley.TypeFloat:
		return m.Type().String() + ":" + m.Text(), nil
	case parley.TypeObject:
		j, ok := recording.ToJSON(m.Object())
		if !ok {
			return "", errors.New("JSON can't express this object")
		}
		return "json:" + string(j), nil
	}
	plain := string(m.Bytes())
	kind, _, ok := strings.Cut(plain, ":")
	switch looksTyped := ok && input.IsKind(kind); {
	case m.Type() == native && !looksTyped:
		return plain, nil
	case m.Type() == parley.TypeText:
		if !utf8.ValidString(plain) {
			return "", errors.New("the text is not UTF-8")
		}
		return "text:" + plain, nil
	}
	return "b64:" + base64.StdEncoding.EncodeToString(m.Bytes()), nil
}
