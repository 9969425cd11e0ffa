package device

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// visaFile has one of everything that a definition of pyvisa-sim may have.
const visaFile = `
spec: "1.1"
devices:
  psu:
    eom:
      ASRL INSTR: {q: "\r\n", r: "\n"}
      TCPIP INSTR: {q: "\n", r: "\n"}
      TCPIP SOCKET: {q: "\r", r: "\r\n"}
    error:
      response:
        command_error: NO
      status_register:
        - q: "*ESR?"
          command_error: 32
      error_queue:
        - q: "ERR?"
          default: none
          command_error: command
    dialogues:
      - q: "?IDN"
        r: " ACME "
      - q: "*RST"
      - q: "RND?"
        r: "{RANDOM(1, 2.5, 3):.2f}"
      - q: "BAD?"
        r: "RANDOM(1, 2, 3){:.2f}"
    properties:
      volt:
        default: 1.0
        getter: {q: "V?", r: "{:+.8E}"}
        setter: {q: "V {:.3f}", r: OK, e: RANGE}
        specs: {min: 1, max: 6, type: float}
      count:
        default: 3
        getter: {q: "N?", r: "{0:05d}|{0:>4}"}
        setter: {q: "N {:d}"}
        specs: {valid: [3, 4], type: int}
      any:
        default: x
        getter: {q: "A?", r: "<{}>"}
        setter: {q: "A {:d}"}
      selected_channel:
        default: 1
        getter: {q: "I?", r: "{}"}
        setter: {q: "I {}"}
    channels:
      inline:
        ids: [1, 2]
        properties:
          level:
            default: 2.5
            getter: {q: "CH{ch_id}:L?", r: "{:.1f}"}
            setter: {q: "CH{ch_id}:L {:.1f}"}
            specs: {min: 0, max: 5, type: float}
      chosen:
        ids: [1, 2]
        can_select: False
        dialogues:
          - q: "C?"
            r: yes
        properties:
          freq:
            default: 1.0
            getter: {q: "F?", r: "{:.3f}"}
            setter: {q: "F {:.3f}"}
            specs: {type: float}
  other:
    dialogues:
      - q: a
        r: b
resources:
  "TCPIP::localhost::1::SOCKET": {device: psu}
`

func openVisa(t testing.TB, file, name string) *Session {
	t.Helper()
	def, err := Read(Source{Path: "d.yaml", Content: []byte(file), Device: name, Typed: typed})
	if err != nil {
		t.Fatal(err)
	}
	return New(def, Config{Seed: 1, Typed: typed}).Session()
}

// What pyvisa-sim answers, each line checked against it.
//
// Verifies: DEVICE-16
func TestVisa(t *testing.T) {
	s := openVisa(t, visaFile, "psu")
	talk(t, s, `
		?IDN => ACME
		*RST =>
		V? => +1.00000000E+00
		V 2.5 => OK
		V? => +2.50000000E+00
		V 9.5 => RANGE
		V 5 => NO
		*ESR? => 32
		*ESR? => 0
		ERR? => command
		ERR? => none
		N? => 00003|   3
		N 4 =>
		N? => 00004|   4
		N 5 => NO
		N 4.0 => NO
		A? => <x>
		A 7 =>
		A? => <7>
		CH2:L 3.5 =>
		CH2:L? => 3.5
		CH1:L? => 2.5
		CH1:L 9.5 => NO
		CH3:L? => NO
		F 5.5 =>
		F? => 5.500
		I 2 =>
		F? => 1.000
		I 3 =>
		F? => NO
		?idn => NO
		BAD? =>
	`)
	if got := s.ask("?IDN;V?;nonsense"); got != "ACME\n+2.50000000E+00\nNO" {
		t.Errorf("several queries: %q", got)
	}
	if got := s.ask("I 1;C?;RND?"); !regexp.MustCompile(`^yes\n[12]\.\d\d, [12]\.\d\d, [12]\.\d\d$`).MatchString(got) {
		t.Errorf("random values: %q", got)
	}
	if request, answer, ok := s.device.def.Ends(); !ok || request != "\r" || answer != "\r\n" {
		t.Errorf("ends %q %q", request, answer)
	}
}

// Verifies: DEVICE-17
func TestVisaMistakes(t *testing.T) {
	for _, tt := range []struct{ from, to, device, want string }{
		{"", "", "", `there are several devices: choose one with --device, of "psu", "other"`},
		{"", "", "third", `there is no device "third", but "psu", "other"`},
		{`spec: "1.1"`, "", "other", "spec is missing"},
		{`spec: "1.1"`, `spec: "1.2"`, "other", "2:7: spec 1.2 is not known"},
		{`spec: "1.1"`, `spec: "2.0"`, "other", "2:7: spec 2.0 is not known"},
		{`spec: "1.1"`, `spec: x`, "other", `2:7: spec "x"`},
		{"devices:", "apparatus:", "other", "devices are missing"},
		{"{device: psu}", "{device: none}", "other", `there is no device "none"`},
		{"{device: psu}", "{}", "other", "device is missing"},
		{"{min: 1, max: 6, type: float}", "{min: 1, max: 6}", "other", "type is missing"},
		{"{min: 1, max: 6, type: float}", "{min: x, type: float}", "other", `min: ValueError: "x" is no number`},
		{"{min: 1, max: 6, type: float}", "{min: 2, type: float}", "other", "default of volt"},
		{"{min: 1, max: 6, type: float}", "{type: real}", "other", `type "real"`},
		{`{q: "V {:.3f}", r: OK, e: RANGE}`, `{r: OK}`, "other", "q is missing"},
		{`{q: "V {:.3f}", r: OK, e: RANGE}`, `{q: "V {:c}"}`, "other", `"c" is no type`},
		{`{q: "V {:.3f}", r: OK, e: RANGE}`, `{q: "V {:.3f"}`, "other", `is not closed`},
		{"command_error: 32", "command_error: many", "other", "want a whole number"},
		{"default: none", "", "other", "default is missing"},
		{"TCPIP SOCKET:", "TCPIP SOCKET X:", "other", `eom "TCPIP SOCKET X"`},
		{"TCPIP SOCKET:", "CARRIER PIGEON:", "other", `eom "CARRIER PIGEON"`},
		{`{q: "\r", r: "\r\n"}`, `{q: "", r: "x"}`, "other", "nothing would end a message"},
		{"  other:", "  other: [", "other", "d.yaml:"},
		{"    dialogues:\n      - q: a", "    bases: [x]\n    dialogues:\n      - q: a", "other", "bases are not implemented"},
	} {
		file := visaFile
		if tt.from != "" {
			if file = strings.Replace(file, tt.from, tt.to, 1); file == visaFile {
				t.Fatalf("%q is not in the file", tt.from)
			}
		}
		_, err := Read(Source{Path: "d.yaml", Content: []byte(file), Device: tt.device, Typed: typed})
		var fe *FileError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s -> %s: %v, want %s", tt.from, tt.to, err, tt.want)
		}
	}
}

// A mapping of YAML is read as pyvisa-sim reads it: all scalars are text.
func TestYAML(t *testing.T) {
	n, err := readYAML("x", []byte("a: &x {q: 010, r: yes}\nb: *x\nc:\nd: ~\ne: 1.50\na: again\n? k\n: |\n  two\n  lines\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := n.get("b").get("q").text + n.get("b").get("r").text + n.get("c").text + n.get("d").text + n.get("e").text + n.get("a").text + n.get("k").text; got != "010yes~1.50againtwo\nlines\n" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"", "a: [", "a: *x", "- a\nb: c", "a: 1\n---\nb: 2", "\ta: 1"} {
		if _, err := readYAML("x", []byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// What Python's format makes of values; the answers are Python's.
func TestPythonFormat(t *testing.T) {
	i := func(s string) any { v, _ := pyInt(s); return v }
	for _, tt := range []struct {
		format string
		value  any
		want   string // "!": an exception
	}{
		{"{:.2f}", 100.0, "100.00"}, {"{:+.8E}", 1.0, "+1.00000000E+00"}, {"{:d}", i("5"), "5"}, {"{:d}", 5.0, "!"}, {"{:d}", "5", "!"},
		{"{:s}", "x", "x"}, {"{:s}", i("5"), "!"}, {"{}", 1e16, "1e+16"}, {"{}", 0.1, "0.1"}, {"{:g}", 1e6, "1e+06"}, {"{:g}", 123456.0, "123456"},
		{"{:.3}", 12345.678, "1.23e+04"}, {"{:.3}", 100.0, "1e+02"}, {"{:08.3f}", -1.5, "-001.500"}, {"{:>8}|", "x", "       x|"}, {"{:<5d}|", i("7"), "7    |"},
		{"{:^5}|", "ab", " ab  |"}, {"{:*^7.1f}", 2.25, "**2.2**"}, {"{:,}", i("1234567"), "1,234,567"}, {"{:,.1f}", 1234567.25, "1,234,567.2"}, {"{:x}", i("255"), "ff"}, {"{:#X}", i("255"), "0XFF"},
		{"{:_b}", i("255"), "1111_1111"}, {"{:%}", 0.25, "25.000000%"}, {"{:e}", i("12"), "1.200000e+01"}, {"{{{}}}", "x", "{x}"}, {"{", "x", "!"}, {"}", "x", "!"},
		{"{0}{0}", "x", "xx"}, {"{} {}", "x", "!"}, {"{1}", "x", "!"}, {"{name}", "x", "!"}, {"{!s:>3}", i("1"), "  1"}, {"{:.2f}", i("3"), "3.00"}, {"{:+d}", i("3"), "+3"}, {"{: d}", i("3"), " 3"},
		{"{:#.3g}", 1.0, "1.00"}, {"{:05}", "ab", "ab000"}, {"{:=5}", "ab", "!"}, {"{:.1f}", 0.25, "0.2"}, {"{:.0f}", 2.5, "2"}, {"{:f}", "x", "!"}, {"{:n}", i("5"), "5"}, {"{:F}", 1.5, "1.500000"},
	} {
		got, err := pyFormat(tt.format, tt.value, "")
		if err != nil {
			got = "!"
		}
		if got != tt.want {
			t.Errorf("%s of %v: %s, want %s", tt.format, tt.value, got, tt.want)
		}
	}
}

// FuzzVisa reads any YAML file, and asks the device that it makes.
func FuzzVisa(f *testing.F) {
	f.Add([]byte(visaFile), "V 2.5;V?")
	f.Add([]byte("spec: 1.0\ndevices: {a: {dialogues: [{q: a, r: '{'}], properties: {p: {getter: {q: b, r: '{:>9}'}, setter: {q: '{:#x}{_}'}}}}}"), "b")
	f.Fuzz(func(t *testing.T, file []byte, request string) {
		if strings.Contains(string(file), "filename") {
			t.Skip("it could name a file of this machine")
		}
		def, err := Read(Source{Path: "d.yaml", Content: file, Typed: typed})
		if err != nil {
			return
		}
		s := New(def, Config{Typed: typed}).Session()
		for range 3 {
			s.ask(request)
		}
	})
}
