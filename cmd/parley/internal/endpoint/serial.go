package endpoint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-net/parley/serial"
)

// serialScheme begins the Addr of a serial port.
const serialScheme = "serial://"

// onSerial are the protocols that are spoken over a serial line: they begin
// without a greeting, and need no end of the stream.
var onSerial = []string{"line", "scpi", "frame"}

// Serial returns the name of the serial port, and whether the endpoint is one.
// Its Addr is then an address of package serial.
func (e Endpoint) Serial() (name string, ok bool) {
	addr, ok := strings.CutPrefix(e.Addr, serialScheme)
	name, _, _ = strings.Cut(addr, "?")
	return name, ok
}

// serialAddr returns the Addr of a serial port, and the options that are the
// protocol's.
func serialAddr(protocol, place, query string) (addr, rest string, err error) {
	if !slices.Contains(onSerial, protocol) {
		return "", "", fmt.Errorf("%s is not spoken over a serial line, as it needs a connection that begins and ends: use %s", protocol, strings.Join(onSerial, ", "))
	}
	name, err := url.PathUnescape(place)
	if err != nil {
		return "", "", err
	}
	if name == "" || strings.Contains(name, "?") {
		return "", "", fmt.Errorf("the name of the port is missing: write %s+serial:///dev/ttyUSB0 or %s+serial://COM3", protocol, protocol)
	}
	var port, others []string
	for option := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(option, "=")
		if key == "clients" && value != "1" {
			return "", "", fmt.Errorf("%s: a serial port has one client: leave it out", option)
		}
		if slices.Contains(serial.Options(), key) {
			port = append(port, option)
		} else if option != "" {
			others = append(others, option)
		}
	}
	c, err := serial.Parse(name + "?" + strings.Join(port, "&"))
	if err != nil {
		return "", "", err
	}
	return serialScheme + c.String(), strings.Join(others, "&"), nil
}
