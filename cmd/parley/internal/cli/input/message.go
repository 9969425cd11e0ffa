package input

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/recording"
)

// Forms explains the forms to the user of a flag or a prompt.
const Forms = "text:…, int:5, float:1.5, hex:00ff, b64:AP8=, json:…, @FILE"

// Parse reads a message as a person types it: with its type in front
// (int:5), or as a value of type def. "@FILE" is the content of a file.
func Parse(s string, def string) (parley.Message, error) {
	if file, ok := strings.CutPrefix(s, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return parley.Message{}, fmt.Errorf("%w (to send an @ as text, write text:%s)", err, s)
		}
		return parley.Bytes(b), nil
	}
	if kind, value, ok := strings.Cut(s, ":"); ok && IsKind(kind) {
		return Typed(kind, value)
	}
	return Typed(def, s)
}

// Kinds are the types that a message can be typed in.
var Kinds = []string{"text", "bytes", "int", "float", "hex", "b64", "json"}

func IsKind(s string) bool {
	for _, k := range Kinds {
		if s == k {
			return true
		}
	}
	return false
}

// Typed returns the message of the given kind that value spells.
func Typed(kind, value string) (parley.Message, error) {
	var m parley.Message
	var err error
	switch kind {
	case "text", "":
		m = parley.Text(value)
	case "bytes":
		m = parley.Bytes([]byte(value))
	case "int":
		i, ok := new(big.Int).SetString(value, 0)
		if !ok {
			err = errors.New("want an integer: 5, -5, 0xff")
		} else {
			m = parley.BigInt(i)
		}
	case "float":
		var f float64
		if f, err = strconv.ParseFloat(value, 64); err != nil {
			err = errors.New("want a number: 1.5, 1e-3, inf, nan")
		}
		m = parley.Float(f)
	case "hex":
		var b []byte
		if b, err = hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(value)); err != nil {
			err = errors.New("want two hex digits for each byte")
		}
		m = parley.Bytes(b)
	case "b64":
		var b []byte
		if b, err = base64.StdEncoding.DecodeString(value); err != nil {
			err = errors.New("want base64 with its padding")
		}
		m = parley.Bytes(b)
	case "json":
		var v any
		if v, err = recording.FromJSON([]byte(value)); err == nil {
			m = parley.Object(v)
		}
	default:
		err = fmt.Errorf("there is no type %q: use %s", kind, strings.Join(Kinds, ", "))
	}
	if err != nil {
		return m, fault.Usagef("%s:%s: %w", kind, wording.Cut(value, 40), err)
	}
	return m, nil
}
