package device

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// tomlKinds are TOML's types as its reader names them, and as people do.
var tomlKinds = map[string]string{
	"integer": "a whole number", "float": "a number with a point", "boolean": "true or false", "string": "a text",
	"array": "a list", "inline table": "a table", "table": "a table",
}

// tomlWords says what is wrong with a file's TOML without the names that its reader
// has for things: for a value of another type, what to write.
func tomlWords(e *toml.DecodeError) string {
	text := strings.TrimPrefix(e.Error(), "toml: ")
	what, ok := strings.CutPrefix(text, "cannot decode TOML ")
	what, _, ok2 := strings.Cut(what, " into ")
	_, kind, ok3 := strings.Cut(text, " of type ")
	key := e.Key()
	if !ok || !ok2 || !ok3 || len(key) == 0 {
		return text
	}
	name := key[len(key)-1]
	has := "a time"
	if known := tomlKinds[what]; known != "" {
		has = known
	}
	return fmt.Sprintf("%s is %s: write %s", name, has, wanted(name, kind))
}

// wanted says what to write for a value of a Go type.
func wanted(name, kind string) string {
	switch {
	case kind == "bool":
		return "true or false"
	case kind == "string":
		return `a text in quotes, "…"`
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case strings.HasPrefix(kind, "[]interface"):
		return "a list, [ … ]"
	case strings.HasPrefix(kind, "[]"):
		return fmt.Sprintf("a table [[%s]] for each", name)
	}
	return fmt.Sprintf("a table, [%s] or { … }", name)
}
