package chat

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for line, want := range map[string]struct {
		command  Command
		argument string
		err      string
	}{
		"hello":                            {Say, "hello", ""},
		" hello ":                          {Say, " hello ", ""},
		"":                                 {Nothing, "", ""},
		"  ":                               {Nothing, "", ""},
		"//usr/bin":                        {Say, "/usr/bin", ""},
		"/KTHXBYE":                         {SayRaw, "/KTHXBYE", ""},
		"/kthxbye":                         {Nothing, "", "no command /kthxbye"},
		"/stop":                            {Leave, "", ""},
		"/STOP":                            {Leave, "", ""},
		"/quit ":                           {Leave, "", ""},
		"/help":                            {Help, "", ""},
		"/name ann":                        {Rename, "ann", ""},
		"/name=ann":                        {Rename, "ann", ""},
		"/name  two words":                 {Rename, "two words", ""},
		"/name":                            {Rename, "", "a name is missing"},
		"/name a:b":                        {Rename, "a:b", "no colon"},
		"/name a\x1b[2J":                   {Rename, "a\x1b[2J", "no control characters"},
		"/name " + strings.Repeat("ä", 41): {Rename, strings.Repeat("ä", 41), "at most 40"},
		"/dance":                           {Nothing, "", "no command /dance"},
	} {
		command, argument, err := Read(line)
		if command != want.command || argument != want.argument {
			t.Errorf("%q: got %v %q, want %v %q", line, command, argument, want.command, want.argument)
		}
		if (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%q: error %v, want %q", line, err, want.err)
		}
	}
}
