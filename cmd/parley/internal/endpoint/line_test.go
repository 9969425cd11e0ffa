package endpoint_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/line"
)

// Verifies: LINE-18
func TestLineURLs(t *testing.T) {
	scpi := func(change func(*line.Protocol)) line.Protocol {
		p := line.SCPI()
		if change != nil {
			change(&p)
		}
		return p
	}
	for url, want := range map[string]struct {
		p     line.Protocol
		addr  string
		shown string // "" is the URL
	}{
		"line://h:1":                           {line.Protocol{}, "h:1", ""},
		"line://h:1?end=any":                   {line.Protocol{}, "h:1", ""},
		"line://h:1?end=lf":                    {line.Protocol{End: line.Ends("\n")}, "h:1", ""},
		"line://h:1?end=CR,crlf,nul":           {line.Protocol{End: line.Ends("\r", "\r\n", "\x00")}, "h:1", ""},
		"line://h:1?end=%03":                   {line.Protocol{End: line.Ends("\x03")}, "h:1", ""},
		"line://h:1?end=%24%20":                {line.Protocol{End: line.Ends("$ ")}, "h:1", ""},
		"line://h:1?end=%2C,%2C%2C":            {line.Protocol{End: line.Ends(",", ",,")}, "h:1", ""},
		"line://h:1?end=%0D%0A,OK":             {line.Protocol{End: line.Ends("\r\n", "OK")}, "h:1", ""},
		"line://h:1?send=crlf&charset=latin-1": {line.Protocol{Send: "\r\n", Charset: line.Latin1}, "h:1", ""},
		"line://h:1?send=same":                 {line.Protocol{Send: line.Same}, "h:1", ""},
		"line://h:1?send=%03%2C":               {line.Protocol{Send: "\x03,"}, "h:1", ""},
		"line://h:1?prompt=%3E%20&echo&skip=2": {line.Protocol{Prompt: "> ", Echo: true, Skip: 2}, "h:1", ""},
		"line://h:1?prompt=%3e+":               {line.Protocol{Prompt: "> "}, "h:1", ""},
		"line://h:1?trim=1&clients=3&max=80":   {line.Protocol{Trim: true, Clients: 3, Max: 80}, "h:1", ""},
		"line+tls://h:1?blocks=1":              {line.Protocol{Blocks: true}, "h:1", ""},
		"line+unix:///run/dev":                 {line.Protocol{}, "unix:/run/dev", ""},
		"scpi://h":                             {line.SCPI(), "h:5025", "scpi://h:5025"},
		"scpi://h:5555?end=lf&blocks=0":        {scpi(func(p *line.Protocol) { p.Blocks, p.End = false, line.Ends("\n") }), "h:5555", ""},
		"TCPIP0::10.0.0.5::5025::SOCKET":       {line.SCPI(), "10.0.0.5:5025", "scpi://10.0.0.5:5025"},
		"tcpip::scope.lab::1234::socket":       {line.SCPI(), "scope.lab:1234", "scpi://scope.lab:1234"},
		"TCPIP1::fe80::1::5025::SOCKET":        {line.SCPI(), "[fe80::1]:5025", "scpi://[fe80::1]:5025"},
		"TCPIP0::[::1]::5025::SOCKET":          {line.SCPI(), "[::1]:5025", "scpi://[::1]:5025"},
	} {
		e, err := endpoint.Parse(url)
		if err != nil {
			t.Error(err)
			continue
		}
		if e.Protocol != want.p || e.Addr != want.addr {
			t.Errorf("%s: %+v at %s", url, e.Protocol, e.Addr)
		}
		shown := want.shown
		if shown == "" {
			shown = url
		}
		if e.String() != shown {
			t.Errorf("%s: shown as %s, want %s", url, e, shown)
		}
		if again, err := endpoint.Parse(e.String()); err != nil || again != e {
			t.Errorf("%s: read again as %+v, %v", url, again, err)
		}
	}
}

// Verifies: LINE-15, LINE-18
func TestLineMistakes(t *testing.T) {
	for url, want := range map[string]string{
		"line://h":                               "the port is missing",
		"line://h:1?end=":                        "option end=: want any, or some of lf",
		"line://h:1?end=lf,,cr":                  "want any, or some of lf",
		"line://h:1?end=any,lf":                  "want any, or some of lf",
		`line://h:1?end=\r\n`:                    "(a backslash is %5C)",
		`line://h:1?send=\n`:                     "(a backslash is %5C)",
		"line://h:1?end=lf,0x03":                 "want bytes as in %03",
		"line://h:1?send=0x0d0a":                 "want bytes as in %03",
		"line://h:1?end=same":                    "same is for send",
		"line://h:1?end=a,abxy,b":                "can't be told apart",
		"line://h:1?send=":                       "option send=: want lf, crlf",
		"line://h:1?send=any":                    "option send=any: want lf, crlf",
		"line://h:1?prompt=":                     "option prompt=: want some text",
		"line://h:1?prompt=a%0A":                 "a prompt is the text that no end follows",
		"line://h:1?skip=-1":                     "want a number from 0",
		"line://h:1?charset=ebcdic":              "want utf-8, latin-1, ascii or bytes",
		"line://h:1?charset=ascii&prompt=%C2%B0": "ascii has no '°'",
		"line://h:1?max=0":                       "want a number from 1",
		"line://h:1?eol=lf":                      `line has no option "eol"`,
		"scpi://h?end=%23":                       "with blocks an end must not contain",
		"tcp://h:5025":                           "write line://h:5025 for a device",
		"socket://h:5025":                        "write line://h:5025 for a device",
		"TCPIP0::h::SOCKET":                      "write TCPIP0::h::5025::SOCKET, or scpi://h",
		"TCPIP0::h::x::SOCKET":                   "is no port",
		"TCPIP0::h::inst0::INSTR":                "VXI-11 and HiSLIP are not spoken; most instruments have a plain socket too: write scpi://h ",
		"TCPIP::h::hislip0::INSTR":               "write scpi://h ",
		"TCPIP0::h::INSTR":                       "write scpi://h ",
		"GPIB0::12::INSTR":                       "GPIB is not spoken",
		"USB0::0x1AB1::0x0588::DS1K::INSTR":      "USB is not spoken",
		"ASRL1::INSTR":                           "line+serial:///dev/ttyUSB0",
		"ASRL/dev/ttyUSB0::INSTR":                "line+serial:///dev/ttyUSB0",
		"XYZ0::12::INSTR":                        "no VISA resource of a socket",
	} {
		_, err := endpoint.Parse(url)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), strconv.Quote(url)) {
			t.Errorf("%s: %v, want it to say %q", url, err, want)
		}
	}
	for url, want := range map[string]string{
		"line://h:1?prompt=%3E":       `prompt: that is what a client reads from a device; a listener sends it: with serve --replies write prompt in the file`,
		"scpi://h:1?skip=2&echo=1":    `skip, echo: that is what a client reads from a device; a listener sends it: with serve --replies write greeting and echo in the file`,
		"line://h:1?end=cr&clients=1": "",
		"oneline://h:1":               "",
	} {
		e, err := endpoint.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		if err = e.CheckListen(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
