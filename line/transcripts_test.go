package line_test

import (
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// said are the actions of sending each message: texts, or messages.
func said(messages ...any) map[int][]recorded.Action {
	var all []recorded.Action
	for _, m := range messages {
		switch m := m.(type) {
		case string:
			all = append(all, recorded.Send(wire.Text(m)))
		case wire.Message:
			all = append(all, recorded.Send(m))
		}
	}
	return map[int][]recorded.Action{0: all}
}

func verbatim(s string) wire.Message { return line.Verbatim(wire.Text(s)) }

// side is one side of a dialogue: its options, what it says, and what it is told.
type side struct {
	p    line.Protocol
	says map[int][]recorded.Action
	told string
}

func (s side) play(role wire.Role) recorded.Play {
	return recorded.Play{Protocol: s.p, Role: role, Do: s.says, Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
		if err := conns[0].EOF(); err != nil {
			t.Error(err)
		}
		if got := told(conns[0]); got != s.told {
			t.Errorf("told %s, want %s", got, s.told)
		}
	}}
}

func dialogue(client, device side) recorded.Case {
	return recorded.Case{Plays: []recorded.Play{client.play(wire.Dialing), device.play(wire.Accepting)}}
}

// Verifies: LINE-17
func TestTranscripts(t *testing.T) {
	pyvisa := line.SCPI()
	pyvisa.Send = line.CRLF
	instrument := line.SCPI() // sends what it is set to, whatever comes
	instrument.Send = line.LF
	cr := line.Protocol{End: line.Ends(line.CR), Send: line.CR}
	block := wire.Bytes([]byte("#210\n\r#15\x00\xff\"\n\n"))
	recorded.Classify(t, "line", map[string]recorded.Case{
		"pyvisa_query": dialogue(
			side{pyvisa, said("*IDN?", "VOLT 12.5", "VOLT?", "SYST:ERR?"), `"ACME,PSU3,0042,1.7" "1.250E+01" "-113,\"Undefined header\""`},
			side{instrument, said("ACME,PSU3,0042,1.7", "1.250E+01", `-113,"Undefined header"`), `"*IDN?" "VOLT 12.5" "VOLT?" "SYST:ERR?"`}),
		"pyvisa_read_block": dialogue(
			side{pyvisa, said("CURV?", "*IDN?"), `<233231300a0d23313500ff220a0a> "ACME,SCOPE,1,2"`},
			side{instrument, said(block, "ACME,SCOPE,1,2"), `"CURV?" "*IDN?"`}),
		"pyvisa_write_block": dialogue(
			side{pyvisa, said("DATA #16\n\n\n\r\n\x00", "*OPC?"), `"1"`},
			side{instrument, said("1"), `"DATA #16\n\n\n\r\n\x00" "*OPC?"`}),
		"pyserial_cr": dialogue(
			side{cr, said("MA 100", "PR P1", "/1?8"), "\"OK\" \"12.5\" \"/0`100\\x03\""},
			side{cr, said("OK", "12.5", "/0`100\x03"), `"MA 100" "PR P1" "/1?8"`}),
		"half_close": dialogue(
			side{line.Protocol{}, said(verbatim("*IDN?")), `"ACME,PSU3,0042,1.7"`},
			side{line.Protocol{}, said(verbatim("ACME,PSU3,0042,1.7")), `"*IDN?"`}),
		"python_prompt": dialogue(
			side{line.Protocol{Prompt: ">>> "}, said("6*7", "x = 1", `print("a\nb > c")`), `"42" "" "a\nb > c" ""`},
			side{line.Protocol{}, said(verbatim(">>> "), "42", verbatim(">>> "), verbatim(">>> "), "a", "b > c", verbatim(">>> "), ""),
				`"6*7" "x = 1" "print(\"a\\nb > c\")"`}),
		"shell_banner_echo_prompt": dialogue(
			side{line.Protocol{Prompt: "dev> ", Echo: true}, said("echo 12.5", "true", `printf "a\nb\n"`),
				`!ACME console 2.1 !last login: never open "12.5" "" "a\r\nb"`},
			side{line.Protocol{Send: line.CRLF}, said("ACME console 2.1", "last login: never", verbatim("dev> "),
				"echo 12.5", "12.5", verbatim("dev> "), "true", verbatim("dev> "), `printf "a\nb\n"`, "a", "b", verbatim("dev> ")),
				`"echo 12.5" "true" "printf \"a\\nb\\n\""`}),
		"push": dialogue(
			side{line.Protocol{Send: line.CRLF}, said("RATE 5"), `"TEMP 21.5" "TEMP 21.6" "OK" "TEMP 21.7" ""`},
			side{line.Protocol{Send: line.CRLF}, said("TEMP 21.5", "TEMP 21.6", "OK", "TEMP 21.7", ""), `"RATE 5"`}),
	})
}
