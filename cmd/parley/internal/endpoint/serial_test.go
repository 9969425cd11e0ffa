package endpoint_test

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/serial"
)

func TestSerial(t *testing.T) {
	for _, tt := range []struct{ url, shown, addr, port string }{
		{"line+serial:///dev/ttyUSB0", "", "serial:///dev/ttyUSB0", "/dev/ttyUSB0"},
		{"line+serial:///dev/ttyUSB0?baud=9600&parity=none&stop=1", "", "serial:///dev/ttyUSB0?baud=9600&parity=none&stop=1", "/dev/ttyUSB0"},
		{"scpi+serial://COM3?end=crlf&baud=115200&max=100", "", "serial://COM3?baud=115200", "COM3"},
		{"frame+serial:///dev/ttyS1?data=7&size=u16be&parity=even", "", "serial:///dev/ttyS1?data=7&parity=even", "/dev/ttyS1"},
		{"line+serial:///dev/serial/by-id/usb%20x", "", "serial:///dev/serial/by-id/usb x", "/dev/serial/by-id/usb x"},
	} {
		e, err := endpoint.Parse(tt.url)
		if err != nil {
			t.Error(err)
			continue
		}
		port, ok := e.Serial()
		if e.Addr != tt.addr || port != tt.port || !ok || e.TLS {
			t.Errorf("%s: %+v, port %q", tt.url, e, port)
		}
		if _, err := serial.Parse(e.Addr); err != nil {
			t.Error(err)
		}
		if e.String() != tt.url {
			t.Errorf("%s: shown as %s", tt.url, e)
		}
		if again, err := endpoint.Parse(e.String()); err != nil || again != e {
			t.Errorf("%s: read again as %+v, %v", tt.url, again, err)
		}
		if at := e.At(serial.Addr(port)); at != e {
			t.Errorf("%s: listening it is %s", tt.url, at)
		}
	}
	for url, want := range map[string]string{
		"oneline+serial:///dev/ttyUSB0":        "oneline is not spoken over a serial line",
		"tinyproto+serial://COM1":              "use line, scpi, frame",
		"line+serial://":                       "the name of the port is missing",
		"line+tls+serial://COM1":               "write +serial alone",
		"line+serial+unix://COM1":              "write +serial alone",
		"line+serial://COM1?baud=x":            "want bits per second",
		"line+serial://COM1?baud=1&baud=2":     "given 2 times",
		"line+serial://COM1?baud=9600&bauds=1": "has no option",
		"line://h:1?baud=9600":                 "has no option",
	} {
		if e, err := endpoint.Parse(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", url, e, err, want)
		}
	}
}
