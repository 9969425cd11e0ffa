package endpoint

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

// lineOptions returns the options of line and scpi, which differ in defaults.
func lineOptions(blocks, most string) []Option {
	const flag = "1|0"
	return []Option{
		{"end", "any|lf|crlf|cr|nul|BYTES", "what ends a received message (any); bytes as %03, several by commas"},
		{"send", "lf|crlf|cr|nul|same|BYTES", "what is appended to a sent one (lf; on a listener same: as the peer does)"},
		{"prompt", "TEXT", "the device's prompt, which ends an answer: >%20"},
		{"skip", "LINES", "so many lines of a banner are dropped (0)"},
		{"echo", flag, "the device repeats each command: that line is dropped (0)"},
		{"blocks", flag, "messages may have IEEE 488.2 blocks (" + blocks + ")"},
		{"charset", "utf-8|latin-1|ascii|bytes", "how text travels (utf-8)"},
		{"trim", flag, "drop the blanks at both ends of a message (0)"},
		{"clients", "COUNT", "a listener serves so many at a time, the others wait (0: no limit)"},
		{"max", "BYTES", "the longest message (" + most + ")"},
	}
}

// endNames are the ends that have a name.
var endNames = map[string]string{"lf": line.LF, "cr": line.CR, "crlf": line.CRLF, "nul": line.NUL}

func lineProtocol(v *values, p line.Protocol) parley.Protocol {
	p.End = v.ends("end")
	p.Send = v.end("send")
	p.Prompt = v.nonEmpty("prompt")
	p.Skip = v.number("skip", 0, 0, math.MaxInt32)
	p.Echo = v.flag("echo")
	if v.has("blocks") {
		p.Blocks = v.flag("blocks")
	}
	p.Charset = v.charset("charset")
	p.Trim = v.flag("trim")
	p.Clients = v.number("clients", 0, 0, math.MaxInt32)
	p.Max = int64(v.number("max", 0, 1, math.MaxInt32))
	return p
}

// raw returns an option as it was written, so that an escaped comma does not
// separate.
func (v *values) raw(name string) string {
	for pair := range strings.SplitSeq(v.query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(key); err == nil && key == name {
			return value
		}
	}
	return ""
}

// ends reads a set of ends: names or bytes, by commas.
func (v *values) ends(name string) line.End {
	raw := v.raw(name)
	if !v.has(name) || strings.EqualFold(raw, "any") {
		return line.End{}
	}
	var all []string
	for part := range strings.SplitSeq(raw, ",") {
		s, err := url.QueryUnescape(part)
		if end, named := endNames[strings.ToLower(part)]; named {
			s = end
		}
		if err != nil || s == "" || strings.EqualFold(part, "any") {
			v.fail(name, "any, or some of lf, crlf, cr, nul and bytes such as %03, by commas")
			return line.End{}
		}
		if v.otherNotation(name, part) {
			return line.End{}
		}
		all = append(all, s)
	}
	return line.Ends(all...)
}

// otherNotation refuses what means bytes elsewhere and would be taken for its letters:
// \r\n, 0x0D, and same where something is received. Letters that are meant are escaped.
func (v *values) otherNotation(name, raw string) bool {
	var hint string
	switch {
	case strings.HasPrefix(raw, `\`):
		hint = `crlf, lf, cr or nul, or bytes such as %03 (a backslash is %5C)`
	case len(raw) > 2 && strings.EqualFold(raw[:2], "0x"):
		hint = `bytes as in %03 (the letters 0x are %30x)`
	case strings.EqualFold(raw, "same"):
		hint = `any, or what ends a message; same is for send (the letters are %73ame)`
	default:
		return false
	}
	v.fail(name, hint)
	return true
}

// end reads what is appended.
func (v *values) end(name string) string {
	if !v.has(name) {
		return ""
	}
	raw := strings.ToLower(v.raw(name))
	if s, named := endNames[raw]; named {
		return s
	}
	switch raw {
	case "same":
		return line.Same
	case "", "any":
		v.fail(name, "lf, crlf, cr, nul, same or bytes such as %03")
	default:
		v.otherNotation(name, raw)
	}
	return v.q.Get(name)
}

// nonEmpty reads an option that must not be empty.
func (v *values) nonEmpty(name string) string {
	if v.has(name) && v.q.Get(name) == "" {
		v.fail(name, "some text")
	}
	return v.q.Get(name)
}

func (v *values) charset(name string) line.Charset {
	switch strings.ToLower(v.q.Get(name)) {
	case "utf-8", "utf8":
		return line.UTF8
	case "latin-1", "latin1", "iso-8859-1":
		return line.Latin1
	case "ascii":
		return line.ASCII
	case "bytes":
		return line.Bytes
	case "":
		if !v.has(name) {
			return line.UTF8
		}
	}
	v.fail(name, "utf-8, latin-1, ascii or bytes")
	return line.UTF8
}

// IsVISA reports whether s is meant as a VISA resource, of a socket or of what is
// not spoken: TCPIP0::host::5025::SOCKET.
func IsVISA(s string) bool {
	parts := strings.Split(s, "::")
	if len(parts) < 2 || strings.Contains(s, "://") {
		return false
	}
	switch strings.TrimRight(strings.ToUpper(parts[0]), "0123456789") {
	case "TCPIP", "GPIB", "USB", "PXI", "VXI", "FIREWIRE", "PRLGX-TCPIP", "PRLGX-ASRL":
		return true
	}
	if asrl := strings.ToUpper(parts[0]); strings.HasPrefix(asrl, "ASRL") {
		return true
	}
	switch strings.ToUpper(parts[len(parts)-1]) {
	case "SOCKET", "INSTR", "RAW", "INTFC", "MEMACC", "BACKPLANE":
		return true
	}
	return false
}

// visa reads a VISA resource.
func visa(s string) (Endpoint, error) {
	parts := strings.Split(s, "::")
	bus := strings.TrimRight(strings.ToUpper(parts[0]), "0123456789")
	if strings.HasPrefix(bus, "ASRL") {
		bus = "ASRL" // the device stands behind it
	}
	kind := strings.ToUpper(parts[len(parts)-1])
	host := parts[min(1, len(parts)-1)]
	switch {
	case bus == "TCPIP" && kind == "SOCKET" && len(parts) >= 4:
		port := parts[len(parts)-2]
		place := strings.Join(parts[1:len(parts)-2], "::")
		if strings.Contains(place, ":") && !strings.HasPrefix(place, "[") {
			place = "[" + place + "]"
		}
		return parse("scpi://" + place + ":" + port)
	case bus == "TCPIP" && kind == "SOCKET":
		return Endpoint{}, fmt.Errorf("a VISA socket has a port: write TCPIP0::%s::5025::SOCKET, or scpi://%s", host, host)
	case bus == "TCPIP":
		return Endpoint{}, fmt.Errorf("VXI-11 and HiSLIP are not spoken; most instruments have a plain socket too: write scpi://%s (port 5025)", host)
	case bus == "ASRL":
		return Endpoint{}, errors.New("a serial port is no VISA resource here: write line+serial:///dev/ttyUSB0?baud=9600, or scpi+serial://")
	case bus == "GPIB", bus == "USB", bus == "PXI", bus == "VXI", bus == "FIREWIRE", bus == "PRLGX-TCPIP", bus == "PRLGX-ASRL":
		return Endpoint{}, fmt.Errorf("%s is not spoken: only sockets are, TCPIP0::HOST::5025::SOCKET or scpi://HOST; a gateway (Prologix, ser2net) has one", bus)
	}
	return Endpoint{}, fmt.Errorf("it is no VISA resource of a socket, TCPIP0::HOST::5025::SOCKET, and no URL: %s", forms)
}
