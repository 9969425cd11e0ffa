package device

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/wire"
)

// epoch is the time at which the devices of the tests are switched on.
var epoch = time.Unix(1_800_000_000, 0)

// typed makes messages of types as the command does, as far as the tests go.
func typed(kind, value string) (wire.Message, error) {
	switch kind {
	case "text":
		return wire.Text(value), nil
	case "hex":
		b, err := hex.DecodeString(value)
		return wire.Bytes(b), err
	case "int":
		i, err := strconv.ParseInt(value, 10, 64)
		return wire.Int(i), err
	case "float":
		f, err := strconv.ParseFloat(value, 64)
		return wire.Float(f), err
	}
	return wire.Message{}, fmt.Errorf("no %s in the tests", kind)
}

// read reads a TOML file of the test.
func read(t testing.TB, file string) *Definition {
	t.Helper()
	def, err := Read(Source{Path: "device.toml", Content: []byte(file), Typed: typed})
	if err != nil {
		t.Fatal(err)
	}
	return def
}

// open returns a session of a device of the file.
func open(t testing.TB, file string) *Session {
	t.Helper()
	return New(read(t, file), Config{Seed: 1, Began: epoch, Typed: typed}).Session()
}

// said returns what a reply says, one message a line.
func said(r Reply) string {
	var out []string
	for _, a := range r.Answers {
		if a.Err != nil {
			out = append(out, "error: "+a.Err.Error())
			continue
		}
		out = append(out, a.Message.Text())
	}
	return strings.Join(out, "\n")
}

func (s *Session) ask(request string) string { return said(s.Answer(wire.Text(request), epoch)) }

// talk asks what stands before each " => " and compares what is answered.
func talk(t *testing.T, s *Session, lines string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		request, want, _ := strings.Cut(strings.TrimSpace(line), " =>")
		if got := s.ask(request); got != strings.TrimSpace(want) {
			t.Errorf("%s => %s, want %s", request, got, strings.TrimSpace(want))
		}
	}
}

const supply = `
grammar = "scpi"
ieee488 = true
idn = "ACME,PSU-1,42,1.0"

[state.volt]
value = 0.0
unit = "V"
format = "%.3f"
min = 0
max = 30
step = 0.001
command = "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]"

[state.on]
value = false
command = "OUTPut[:STATe]"

[state.mode]
value = "CVOLtage"
valid = ["CVOLtage", "CCURrent", "VOLTage:AC"]
command = "SOURce:FUNCtion"

[state."range[1..4]"]
value = 5.0
unit = "V"
format = "%g"
command = "CHANnel<n>:RANGe"

[[reply]]
request = "MEASure:VOLTage[:DC]? [<range>][,<resolution>]"
when = { on = true }
response = "${format('%.4f', volt)}"

[[reply]]
request = "MEASure:VOLTage[:DC]? [<range>][,<resolution>]"
response = "0.0000"

[[reply]]
request = "APPLy <v>,<label>"
set = { volt = "${v}", mode = "${label}" }

[[reply]]
request = "TRIPle?"
response = "${volt * 3}"
`

// Verifies: DEVICE-01, DEVICE-02, DEVICE-03
func TestSCPI(t *testing.T) {
	s := open(t, supply)
	talk(t, s, `
		*IDN?;*OPC? => ACME,PSU-1,42,1.0;1
		*idn? => ACME,PSU-1,42,1.0
		VOLT 3.3;VOLT? => 3.300
		:SOUR:VOLT:LEV 1.5V;:source:voltage:level? => 1.500
		sourc:volt 2 =>
		SYST:ERR? => -113,"Undefined header"
		VOLT? => 1.500
		VOLT 500 mV;VOLT? => 0.500
		VOLT 1e1;VOLT?;VOLT? MAX;VOLT? MINimum => 10.000;30.000;0.000
		VOLT UP;VOLT? => 10.001
		VOLT 1.23456;VOLT? => 1.235
		VOLTAGE:LEV 2 V;IMM?;VOLT? => 2.000
		SYST:ERR?;:SYSTem:ERRor:NEXT? => -113,"Undefined header";0,"No error"
		SOUR:VOLT:LEV 4;LEV?;:VOLT? => 4.000;4.000
		OUTP ON;OUTP?;MEAS:VOLT?;:MEASURE:VOLTAGE:DC? DEF,DEF => 1;4.0000;4.0000
		MEAS:VOLT? 1,2,3 =>
		SYST:ERR? => -108,"Parameter not allowed"
		OUTP OFF;MEAS:VOLT? => 0.0000
		APPL 2.5,"VOLT:AC";VOLT?;SOUR:FUNC? => 2.500;VOLT:AC
		APPL 99,CVOL =>
		VOLT?;SYST:ERR? => 2.500;-222,"Data out of range"
		APPL 1,nonsense;SYST:ERR? => -224,"Illegal parameter value"
		APPL 1;SYST:ERR? => -109,"Missing parameter"
		VOLT 1 A;:SYST:ERR? => -131,"Invalid suffix"
		VOLT abc;SYST:ERR? => -104,"Data type error"
		TRIP? => 7.5
		CHAN2:RANG 100 mV;RANG?;:CHAN1:RANG?;:CHANNEL2:RANGE?;:CHAN:RANG? => 0.1;5;0.1;5
		CHAN5:RANG? =>
		SYST:ERR? => -114,"Header suffix out of range"
		CHAN0:RANG 7;:SYST:ERR? => -114,"Header suffix out of range"
		CHAN00:RANG?;:SYST:ERR? => -114,"Header suffix out of range"
		CHAN01:RANG? => 5
		*RST;VOLT?;CHAN2:RANG? => 0.000;5
		;; =>
		SYST:ERR:COUN? => 0
	`)
}

// Verifies: DEVICE-04
func TestStatus(t *testing.T) {
	s := open(t, "grammar = 'scpi'\nieee488 = true\nerror-queue = 3\n")
	talk(t, s, `
		*ESR?;*STB?;*TST?;*OPC? => 0;0;0;1
		*ESE 32;*SRE 36;*ESE?;*SRE? => 32;36
		BOGUS =>
		*STB? => 100
		*ESR?;*STB? => 32;68
		*ESR? => 0
		*OPC;*WAI;*ESR? => 1
		A;B;C;D =>
		SYST:ERR?;:SYST:ERR?;:SYST:ERR?;:SYST:ERR? => -113,"Undefined header";-113,"Undefined header";-350,"Queue overflow";0,"No error"
		A;*CLS;SYST:ERR?;*ESR? => 0,"No error";0
		*ESE 256;SYST:ERR? => -222,"Data out of range"
		*ESE;SYST:ERR? => -109,"Missing parameter"
		*IDN? 1;SYST:ERR? => -108,"Parameter not allowed"
		*IDN? => PARLEY,SIMULATED DEVICE,0,1.0
	`)
}

// A request with a block, and blocks in answers.
//
// Verifies: DEVICE-05
func TestBlocks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.bin"), []byte("\n\r\x00#;"), 0o600); err != nil {
		t.Fatal(err)
	}
	def, err := Read(Source{Path: filepath.Join(dir, "d.toml"), Typed: typed, Content: []byte(`
grammar = "scpi"
ieee488 = true
[state]
setup = ""
points = 4
[[reply]]
request = "SETup <data>"
set = { setup = "${data}" }
[[reply]]
request = "SETup?"
response = { text = "${setup}", block = true }
[[reply]]
request = "HEX?"
response = { hex = "0a0d", block = true, digits = 8 }
[[reply]]
request = "FILE?"
response = { file = "x.bin", block = true }
[[reply]]
request = "WAVE? [<n>]"
response = { waveform = "128 + 127*sin(2*pi*x)", points = "${points}", block = true }
[[reply]]
request = "WORDs?"
response = { waveform = "i - 1", points = 3, format = "i16le", block = true }
[[reply]]
request = "ASCii?"
response = { waveform = "i/2", points = 3, format = "ascii", block = true }
`)})
	if err != nil {
		t.Fatal(err)
	}
	s := New(def, Config{Began: epoch, Typed: typed}).Session()
	for request, want := range map[string]string{
		"HEX?;*OPC?": "#800000002\n\r;1", "FILE?": "#15\n\r\x00#;",
		"WAVE?": "#14\x80\xff\x80\x01", "WORD?": "#16\xff\xff\x00\x00\x01\x00", "ASC?;HEX?": "#2110.0,0.5,1.0;#800000002\n\r",
	} {
		if got := s.ask(request); got != want {
			t.Errorf("%q => %q, want %q", request, got, want)
		}
	}
	for request, want := range map[string]string{
		"SET #16a;\n\"',;SET?": "#16a;\n\"',", "SET #0a;b": "", "SET 'it''s; so';SET?": "#18it's; so",
		"SET #15abc;SET?": "", "SET 'x;SET?": "",
	} {
		if got := s.ask(request); got != want {
			t.Errorf("%q => %q, want %q", request, got, want)
		}
	}
	if got := s.ask("SYST:ERR?;:SYST:ERR?"); !strings.Contains(got, "-161") || !strings.Contains(got, "-151") {
		t.Errorf("an unfinished block and an unfinished string: %s", got)
	}
}

// Verifies: DEVICE-06, DEVICE-07
func TestExpressions(t *testing.T) {
	s := open(t, `
[state]
volt = 1.5
word = "on"
time = "taken"
[state."level[1..3]"]
value = 2
format = "%d"
[[reply]]
pattern = 'X (?P<ch>\d) (?P<v>[^ ]*)'
response = "${volt * 2} ${level[ch]} ${level[2]} ${level[1] + 1} ${v * 10} $v$$ ${word + '}'} ${time} ${volt > 1 ? 'high' : 'low'}"
set = { "level[ch]" = "${v + 1}" }
[[reply]]
request = "RND"
response = "${random(1, 6)} ${noise(volt, 0.0)} ${noise(volt, 0.01)} ${random(1.0, 2.0)}"
[[reply]]
request = "UP"
response = "${uptime}"
`)
	talk(t, s, `
		X 2 3 => 3.0 4 4 3 30 3$ on} taken high
		X 1 5 => 3.0 6 4 7 50 5$ on} taken high
	`)
	seen := map[string]bool{}
	for range 200 {
		m := regexp.MustCompile(`^([1-6]) 1\.5 (1\.\d+) (1\.\d+)$`).FindStringSubmatch(s.ask("RND"))
		if m == nil {
			t.Fatal("no such answer:", s.ask("RND"))
		}
		if f, _ := strconv.ParseFloat(m[2], 64); f < 1.4 || f > 1.6 {
			t.Errorf("noise of 0.01 around 1.5 is %v", f)
		}
		seen[m[1]] = true
	}
	if len(seen) != 6 {
		t.Errorf("a dice has shown %v", seen)
	}
	if got := said(s.Answer(wire.Text("UP"), epoch.Add(1500*time.Millisecond))); got != "1.5" {
		t.Errorf("uptime %s", got)
	}
	plain := open(t, "[[reply]]\nrequest = 'T'\nresponse = '${time}'\n")
	if got := plain.ask("T"); got != "1800000000" {
		t.Errorf("time %s", got)
	}
}

// Out of range: the reply's error where there is no error queue.
//
// Verifies: DEVICE-08
func TestRefused(t *testing.T) {
	s := open(t, `
default = "what?"
[state.volt]
value = 1.0
min = 0
max = 5
unit = "V"
[[reply]]
prefix = "SET "
set = { volt = "${rest}" }
response = "ok"
error = "range"
[[reply]]
prefix = "PUT "
set = { volt = "${rest}" }
response = "ok"
[[reply]]
request = "UP"
add = { volt = 3 }
response = "${volt}"
[[reply]]
request = "GET"
response = "${volt}"
`)
	talk(t, s, `
		SET 4 V => ok
		SET 6 => range
		SET x => range
		PUT 6 => what?
		GET => 4.0
		UP => what?
		GET => 4.0
		SET 1 => ok
		UP => 4.0
	`)
}

// Verifies: DEVICE-09
func TestChannelLists(t *testing.T) {
	s := open(t, `
grammar = "scpi"
ieee488 = true
[state]
selected = 2
[state."volt[1..3]"]
value = 0.0
format = "%.1f"
max = [10, 20, 20]
command = "[SOURce:]VOLTage"
select = "selected"
[[reply]]
request = "MEASure:VOLTage? [(@<ch>)]"
response = "${format('%.2f', volt[ch])}"
[[reply]]
request = "INSTrument:NSELect <n>"
set = { selected = "${n}" }
`)
	talk(t, s, `
		VOLT 1,(@1);VOLT 2,(@2,3);VOLT? (@1:3) => 1.0,2.0,2.0
		VOLT?;INST:NSEL 1;:VOLT? => 2.0;1.0
		MEAS:VOLT? (@3,1) => 2.00,1.00
		MEAS:VOLT? => 1.00
		VOLT 5,(@4) =>
		SYST:ERR? => -114,"Header suffix out of range"
		VOLT 11,(@1);:SYST:ERR? => -222,"Data out of range"
		VOLT 11,(@2);:VOLT? MAX,(@1,2);:VOLT? (@2) => 10.0,20.0;11.0
		VOLT? (@1:99999) =>
		SYST:ERR? => -114,"Header suffix out of range"
	`)
}

// Greeting, prompt, echo, and what is said from time to time.
//
// Verifies: DEVICE-10
func TestUnasked(t *testing.T) {
	def := read(t, `
greeting = ["ACME", "ready"]
prompt = "${n}> "
echo = true
[state]
n = 1
[[reply]]
request = "a"
response = "b"
add = { n = 1 }
[[every]]
interval = "1s"
response = "tick ${n}"
`)
	s := New(def, Config{Began: epoch, Typed: typed}).Session()
	greeting := s.Greeting(epoch)
	if got := said(Reply{Answers: greeting}); got != "ACME\nready\n1> " || !greeting[2].Open || greeting[1].Open {
		t.Errorf("greeting %q", got)
	}
	r := s.Answer(wire.Text("a"), epoch)
	if got := said(r); got != "a\nb\n2> " || !r.Answers[2].Open {
		t.Errorf("answer %q", got)
	}
	now := epoch
	for i, want := range []string{"", "tick 2", "tick 2"} {
		out, next := s.Due(now)
		if got := said(Reply{Answers: out}); got != want || next.Sub(now) != time.Second {
			t.Errorf("%d: %q, next after %v", i, got, next.Sub(now))
		}
		now = next
	}
}

// Verifies: DEVICE-11
func TestFaults(t *testing.T) {
	faults, err := ParseFaults("drop=0.1,late=0.1,cut=0.1,garble=0.1,close=0.02,delay=10ms..200ms,late-by=1s..2s")
	if err != nil {
		t.Fatal(err)
	}
	def := read(t, "[[reply]]\nrequest = 'x'\nresponse = '0123456789'\n")
	play := func(seed uint64) (replies []Reply) {
		s := New(def, Config{Seed: seed, Faults: faults, Typed: typed}).Session()
		for range 2000 {
			replies = append(replies, s.Answer(wire.Text("x"), epoch))
		}
		return replies
	}
	counts := map[string]int{}
	one, again, other := play(7), play(7), play(8)
	same := 0
	for i, r := range one {
		if said(r) != said(again[i]) || r.Close != again[i].Close {
			t.Fatalf("answer %d differs with the same seed", i)
		}
		if said(r) == said(other[i]) {
			same++
		}
		if r.Close {
			counts["close"]++
			continue
		}
		if len(r.Answers) == 0 {
			counts["drop"]++
			continue
		}
		a := r.Answers[0]
		if a.Delay < 10*time.Millisecond || a.Delay > 2200*time.Millisecond {
			t.Fatalf("delay %v", a.Delay)
		}
		if a.Delay >= time.Second {
			counts["late"]++
		}
		switch text := a.Message.Text(); {
		case len(text) < 10:
			counts["cut"]++
		case text != "0123456789":
			counts["garble"]++
		}
	}
	if same == len(one) {
		t.Error("another seed has the same faults")
	}
	for name, share := range map[string]float64{"drop": .1, "late": .09, "cut": .09, "garble": .08, "close": .02} {
		if got := float64(counts[name]) / 2000; got < share*.6 || got > share*1.5 {
			t.Errorf("%s: a share of %v", name, got)
		}
	}
	for _, bad := range []string{"drop=2", "drop=-1", "drop=NaN", "drop", "explode=1", "delay=5ms..1ms", "delay=soon", "delay=-1s", "seed=x"} {
		if _, err := ParseFaults(bad); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

// The state of a device that is read again.
//
// Verifies: DEVICE-12
func TestReload(t *testing.T) {
	const file = `
[state]
kept = 1
gone = 1
typed = 1
[[reply]]
request = "get"
response = "${kept} ${typed}"
[[reply]]
prefix = "set "
set = { kept = "${rest}", typed = "${rest}" }
`
	dev := New(read(t, file), Config{Typed: typed})
	s := dev.Session()
	talk(t, s, "set 7 =>\nget => 7 7")
	dev.Reload(read(t, `
[state]
kept = 2
new = "n"
[state.typed]
value = 3
max = 5
[[reply]]
request = "get"
response = "${kept} ${typed} ${new}!"
`))
	talk(t, s, "get => 7 3 n!")
}

// Verifies: DEVICE-13
func TestOwnState(t *testing.T) {
	file := "[state]\nn = 0\n[[reply]]\nrequest = 'x'\nadd = { n = 1 }\nresponse = '${n}'\n"
	shared := New(read(t, file), Config{Typed: typed})
	a, b := shared.Session(), shared.Session()
	if got := a.ask("x") + b.ask("x") + a.ask("x"); got != "123" {
		t.Errorf("shared: %s", got)
	}
	own := New(read(t, "clients = { state = 'own', max = 2 }\n"+file), Config{Typed: typed})
	a, b = own.Session(), own.Session()
	if got := a.ask("x") + b.ask("x") + a.ask("x"); got != "112" {
		t.Errorf("own: %s", got)
	}
	if own.def.MaxClients() != 2 {
		t.Error("max is lost")
	}
}

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
