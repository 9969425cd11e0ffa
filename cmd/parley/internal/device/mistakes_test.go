package device

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Every mistake has its place.
//
// Verifies: DEVICE-14
func TestMistakes(t *testing.T) {
	for file, want := range map[string]string{
		"grammar = 'x'": `1:11: grammar "x"`,
		"[[reply]]\nrequest = 'a'\nresponse = '${volt *}'":                                  `3:12: reply 1: response: ${volt *}`,
		"[state]\nvolt = 1.0\n[[reply]]\nrequest = 'a'\nresponse = '${volt + undefined}'":   `5:12: reply 1: response: ${volt + undefined} in "${volt + undefined}" is no expression: unknown name undefined`,
		"[state.volt]\nvalue = 1.0\n[[reply]]\nrequest = 'a'\nresponse = '${volt + \"x\"}'": `mismatched types float64 and string`,
		"[[reply]]\npattern = 'a)(b'":                                                       "2:11: reply 1: pattern \"a)(b\": unexpected ) in a)(b",
		"[[reply]]\nrequest = 'a'\nresponse = '${x'":                                        "3:12: reply 1: response: a ${ has no }",
		"[[reply]]\nrequest = 'a'\nresponse = '${}'":                                        "names nothing",
		"[[reply]]\nrequest = 'a'\nresponse = '${map(1..9, #)}'":                            "there is no function map here",
		"[[reply]]\nrequest = 'a'\nresponse = '${repeat(\"a\", 9)}'":                        "there is no function repeat here",
		"[[reply]]\nrequest = 'a'\nresponse = '${len(1..9)}'":                               "ranges are not for device files",
		"[state.x]\nmin = 1":                                                  "1:8: state x: value: want its first value",
		"[state.x]\nvalue = 9\nmax = 5":                                       "2:9: state x: value 9: -222",
		"[state.x]\nvalue = 1\nformat = '%s%s'":                               "3:10: state x: format",
		"[state.x]\nvalue = 1\nformat = '%9999d'":                             "3:10: state x: format",
		"[state.x]\nvalue = 1\nmim = 5":                                       `3:7: state x: there is no "mim" here`,
		"[state.\"x[4..1]\"]\nvalue = 1":                                      "1:8: state x[4..1]: channels are written",
		"[state.\"x[1..9999999]\"]\nvalue = 1":                                "channels are written",
		"[state]\nx = [1]":                                                    "2:1: state x: want a string",
		"grammar = 'scpi'\n[[reply]]\nrequest = '?IDN'":                       `3:11: reply 1: `,
		"grammar = 'scpi'\n[[reply]]\nrequest = '[A]'":                        "nothing of it must be there",
		"grammar = 'scpi'\n[[reply]]\nrequest = '[A:'":                        "without its ]",
		"[state.x]\nvalue = 1\ncommand = 'X'":                                 "3:11: state x: command",
		"[state.x]\nvalue = 1\nformat = '%q'":                                 "3:10: state x: format \"%q\": a number has",
		"[state.x]\nvalue = 1.5\nformat = '%q'":                               "3:10: state x: format \"%q\": a number has",
		"[state.x]\nvalue = true\nformat = '%.3f'":                            "3:10: state x: format \"%.3f\": true and false have",
		"[state.x]\nvalue = 'a'\nformat = '%d'":                               "3:10: state x: format \"%d\": a text has",
		"ieee488 = 3":                                                         "1:11: ieee488 is a whole number: write true or false",
		"grammar = true":                                                      "1:11: grammar is true or false: write a text in quotes",
		"error-queue = 'a'":                                                   "1:15: error-queue is a text: write a whole number",
		"error-queue = 1.5":                                                   "1:15: error-queue is a number with a point: write a whole number",
		"clients = 3":                                                         "1:11: clients is a whole number: write a table, [clients]",
		"reply = 3":                                                           "1:9: reply is a whole number: write a table [[reply]] for each",
		"prompt = 2026-01-01":                                                 "1:10: prompt is a time: write a text in quotes",
		"[[reply]]\nrequest = [1]":                                            "2:11: request is a list: write a text in quotes",
		"[[reply]]\nrequest = 'a'\nsequence = 3":                              "3:12: sequence is a whole number: write a list",
		"[[reply]]\nrequest = 'a'\nwhen = 3":                                  "3:8: when is a whole number: write a table",
		"error-queue = 99999999999999999999":                                  "1:15: decimal number is too large",
		"prompt = \"a\\n\"":                                                   "1:10: prompt",
		"[[every]]\ninterval = '1us'\nresponse = 'x'":                         "2:12: every 1: interval",
		"[[every]]\nresponse = 'x'":                                           "every 1: interval",
		"[faults]\ndrop = 3":                                                  "2:8: drop=3: want a share",
		"[[reply]]\nrequest = 'a'\nresponse = {hex = 'zz'}":                   "3:19: reply 1: response:",
		"[[reply]]\nrequest = 'a'\nresponse = {waveform = 'i', points = 1e9}": "points",
		"[[reply]]\nrequest = 'a'\nresponse = {text = 'i', digits = 3}":       "digits",
		"[[reply]]\nrequest = 'a'\nresponse = {file = 'missing.bin'}":         "3:20: reply 1: response: open missing.bin",
		"idn = 'x'":            "1:7: idn",
		"x = 1":                `1:1: there is no "x" here`,
		"clients = {max = -1}": "1:18: max -1",
	} {
		_, err := Read(Source{Path: "d.toml", Content: []byte(file), Typed: typed})
		var fe *FileError
		if !errors.As(err, &fe) || fe.Line == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
		if strings.Contains(fmt.Sprint(err), "(?s") {
			t.Errorf("%q: our own wrapping is told: %v", file, err)
		}
	}
}

// What is meant to hurt a device does not.
//
// Verifies: DEVICE-15
func TestHarm(t *testing.T) {
	s := open(t, supply+`
[[reply]]
request = "GROW"
set = { word = "${word + word}" }
[[reply]]
request = "GROW?"
response = "${word}${word}${word}"
[[reply]]
pattern = '(a*)*b'
response = "x"
[state]
word = "x"
`)
	for name, request := range map[string]string{
		"long":       strings.Repeat("x", 1<<20),
		"units":      strings.Repeat("x;", 1<<19),
		"deep":       strings.Repeat("a:", 1<<19) + "b",
		"path":       strings.Repeat("a:", 100) + strings.Repeat("b;", 1<<19),
		"parameters": "VOLT " + strings.Repeat("1,", 1<<19),
		"parens":     "VOLT " + strings.Repeat("(", 1<<20),
		"quotes":     strings.Repeat("'", 1<<20),
		"blocks":     "VOLT #9999999999" + strings.Repeat("x", 1<<20),
		"regexp":     strings.Repeat("a", 1<<20),
		"questions":  strings.Repeat("*IDN?;", 1<<17),
	} {
		if got := s.ask(request); len(got) > maxAnswer {
			t.Errorf("%s: an answer of %d bytes", name, len(got))
		}
	}
	for range 40 {
		s.ask("GROW")
	}
	if got := len(s.ask("GROW?")); got > 3*maxText {
		t.Errorf("a variable has grown to %d bytes", got/3)
	}
	s.ask("*CLS")
	s.ask("GROW")
	if got := s.ask("SYST:ERR?"); got != scpiErrors.tooMuchData.Error() {
		t.Errorf("growing beyond the bound: %s", got)
	}
}

// A device with thousands of commands finds each of them.
func TestManyCommands(t *testing.T) {
	var file strings.Builder
	file.WriteString("grammar = 'scpi'\n")
	for i := range 5000 {
		fmt.Fprintf(&file, "[[reply]]\nrequest = 'SUBsystem%c%c%c:COMMand?'\nresponse = '%d'\n", 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26, i)
	}
	s := open(t, file.String())
	for _, i := range []int{0, 1, 2500, 4999} {
		request := fmt.Sprintf("SUBSYSTEM%c%c%c:COMM?", 'A'+i/676%26, 'A'+i/26%26, 'A'+i%26)
		if got := s.ask(request); got != fmt.Sprint(i) {
			t.Errorf("%s => %s", request, got)
		}
	}
}
