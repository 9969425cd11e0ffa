package device

import (
	"encoding/hex"
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
