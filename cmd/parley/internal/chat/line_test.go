package chat

import (
	"strings"
	"testing"
)

func TestParseLine(t *testing.T) {
	const uuid = "c9fafd5a-b0fe-42de-98c2-01360c5512e6"
	for line, want := range map[string]Line{
		"hello":                           {Text: "hello"},
		"":                                {},
		"ann: hello":                      {Name: "ann", Text: "hello"},
		"ann : hello":                     {Name: "ann", Text: "hello"},
		"ann:":                            {Name: "ann"},
		"two words : hello":               {Name: "two words", Text: "hello"},
		"two words: hello":                {Text: "two words: hello"},
		"no name (use /name=NAME) : hi":   {Name: "no name (use /name=NAME)", Text: "hi"},
		"http://localhost":                {Text: "http://localhost"},
		"12:30":                           {Text: "12:30"},
		": hello":                         {Text: ": hello"},
		" : hello":                        {Text: " : hello"},
		"a\tb : hello":                    {Text: "a\tb : hello"},
		strings.Repeat("x", 41) + " : hi": {Text: strings.Repeat("x", 41) + " : hi"},
		"[7] hello":                       {ID: "7", Text: "hello"},
		"[" + uuid + "] hello":            {ID: uuid, Text: "hello"},
		"[7] ann: hello":                  {ID: "7", Name: "ann", Text: "hello"},
		"[7] **joined the chat":           {ID: "7", Event: Joined},
		"[" + uuid + "] **left the chat":  {ID: uuid, Event: Left},
		"**left the chat":                 {Text: "**left the chat"},
		"[info] hello":                    {Text: "[info] hello"},
		"[7]hello":                        {Text: "[7]hello"},
		"[] hello":                        {Text: "[] hello"},
		"[123456789012345678901] hello":   {Text: "[123456789012345678901] hello"},
	} {
		if got := ParseLine(line); got != want {
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
}

// FuzzParseLine: whatever comes, what is taken apart was in the line, and names are
// names.
func FuzzParseLine(f *testing.F) {
	for _, line := range []string{"hello", "ann : hello", "ann: hello", "[7] **left the chat", "[7] a : b : c", "[[7] x", ":::"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := ParseLine(line)
		if !strings.HasSuffix(line, h.Text) || !strings.Contains(line, h.Name) || !strings.Contains(line, h.ID) {
			t.Errorf("%q: made up %+v", line, h)
		}
		if h.Name != "" && CheckName(h.Name) != nil {
			t.Errorf("%q: %q is no name", line, h.Name)
		}
		if h.Event != Message && h.ID == "" {
			t.Errorf("%q: nobody in %+v", line, h)
		}
	})
}
