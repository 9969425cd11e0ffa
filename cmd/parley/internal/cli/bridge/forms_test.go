package bridge

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/serpy"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy/pickle"
)

// The table of forms in docs/bridge.md, both ways.
func TestDocumentedForms(t *testing.T) {
	doc, err := os.ReadFile("../../../../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(doc), "\n")
	for _, row := range []struct {
		title string
		m     parley.Message
	}{
		{"text `volt`", parley.Text("volt")},
		{"text `int:5`", parley.Text("int:5")},
		{"bytes `ab`", parley.Bytes([]byte("ab"))},
		{"bytes `int:5`", parley.Bytes([]byte("int:5"))},
		{"int `-5`", parley.Int(-5)},
		{"float `1.5`", parley.Float(1.5)},
		{"object `[1, 'a']`", parley.Object(&pickle.List{Items: []any{int64(1), "a"}})},
	} {
		line := "| " + row.title + " |"
		for _, native := range []parley.Type{parley.TypeText, parley.TypeBytes} {
			text, err := writeForm(row.m, native)
			if err != nil {
				t.Error(row.title, err)
			}
			line += " `" + text + "` |"
			back, err := readForm(text, native)
			if err != nil || back.Type() != row.m.Type() || back.String() != row.m.String() {
				t.Errorf("%s is written as %s and read as %v, %v", row.title, text, back, err)
			}
		}
		if !slices.Contains(lines, line) {
			t.Errorf("docs/bridge.md does not have the line\n%s", line)
		}
	}
}

func TestFormsThatAreErrors(t *testing.T) {
	for _, text := range []string{"int:x", "float:", "hex:0", "b64:!", "json:{"} {
		if m, err := readForm(text, parley.TypeText); err == nil {
			t.Errorf("%s is read as %v", text, m)
		}
	}
	if m, err := readForm("@/etc/passwd", parley.TypeText); err != nil || m.Text() != "@/etc/passwd" {
		t.Errorf("a peer's @ is %v, %v", m, err)
	}
	for _, m := range []parley.Message{parley.Object(&pickle.Tuple{}), serpy.WithMode(parley.Text("\xff"), 0)} {
		if text, err := writeForm(m, parley.TypeBytes); err == nil {
			t.Errorf("%v is written as %s", m, text)
		}
	}
}
