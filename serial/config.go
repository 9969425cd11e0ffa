package serial

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.bug.st/serial"
)

// Config is a serial port and how it is set. What is zero has its default:
// 9600 baud, 8 data bits, no parity, one stop bit.
type Config struct {
	Name   string // "/dev/ttyUSB0", "COM3"
	Baud   int    // bits per second
	Data   int    // data bits, 5 to 8
	Parity string // "none", "odd", "even", "mark" or "space"
	Stop   string // stop bits: "1", "1.5" or "2"
	// NoDTR and NoRTS leave the line "data terminal ready", or "request to send",
	// low, which are raised otherwise: many boards restart when DTR is raised.
	NoDTR, NoRTS bool
}

// Options are the names of the options that Parse reads.
func Options() []string { return []string{"baud", "data", "parity", "stop", "dtr", "rts"} }

// Parse reads the address of a serial port: its name, and behind a question
// mark its options,
//
//	/dev/ttyUSB0?baud=115200&data=7&parity=even&stop=2&dtr=0&rts=0
//
// in any order and joined with &. serial:// may stand before it.
func Parse(addr string) (Config, error) {
	name, query, _ := strings.Cut(strings.TrimPrefix(addr, "serial://"), "?")
	c := Config{Name: name}
	err := c.set(query)
	if err == nil && name == "" {
		err = errors.New("the name of the port is missing, as in /dev/ttyUSB0 or COM3")
	}
	if err == nil {
		_, err = c.mode()
	}
	if err != nil {
		return Config{}, fmt.Errorf("serial port %q: %w", addr, err)
	}
	return c, nil
}

// set reads the options.
func (c *Config) set(query string) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for name, values := range given {
		if !slices.Contains(Options(), name) {
			return fmt.Errorf("there is no option %q: use %s", name, strings.Join(Options(), ", "))
		}
		if len(values) > 1 {
			return fmt.Errorf("the option %s is given %d times", name, len(values))
		}
		v := values[0]
		bad := func(want string) error { return fmt.Errorf("option %s=%s: want %s", name, v, want) }
		switch name {
		case "baud":
			if c.Baud, err = strconv.Atoi(v); err != nil || c.Baud <= 0 {
				return bad("bits per second, as in 9600")
			}
		case "data":
			if c.Data, err = strconv.Atoi(v); err != nil || c.Data == 0 {
				return bad("5 to 8 bits")
			}
		case "parity":
			c.Parity = v
		case "stop":
			c.Stop = v
		case "dtr", "rts":
			if v != "0" && v != "1" {
				return bad("0 or 1")
			}
			if name == "dtr" {
				c.NoDTR = v == "0"
			} else {
				c.NoRTS = v == "0"
			}
		}
	}
	return nil
}

// String returns the address of the port with the options that are not their
// defaults, as Parse reads it.
func (c Config) String() string {
	var options []string
	add := func(set bool, name string, value any) {
		if set {
			options = append(options, fmt.Sprintf("%s=%v", name, value))
		}
	}
	add(c.Baud != 0, "baud", c.Baud)
	add(c.Data != 0, "data", c.Data)
	add(c.Parity != "", "parity", c.Parity)
	add(c.Stop != "", "stop", c.Stop)
	add(c.NoDTR, "dtr", 0)
	add(c.NoRTS, "rts", 0)
	if options == nil {
		return c.Name
	}
	return c.Name + "?" + strings.Join(options, "&")
}

// mode is what the port is opened with.
func (c Config) mode() (*serial.Mode, error) {
	m := &serial.Mode{BaudRate: 9600, DataBits: 8}
	if c.Baud != 0 {
		m.BaudRate = c.Baud
	}
	if c.Data != 0 {
		m.DataBits = c.Data
	}
	if m.BaudRate < 0 {
		return nil, fmt.Errorf("%d baud: want a positive number", c.Baud)
	}
	if m.DataBits < 5 || m.DataBits > 8 {
		return nil, fmt.Errorf("%d data bits: want 5 to 8", c.Data)
	}
	switch c.Parity {
	case "", "none":
	case "odd":
		m.Parity = serial.OddParity
	case "even":
		m.Parity = serial.EvenParity
	case "mark":
		m.Parity = serial.MarkParity
	case "space":
		m.Parity = serial.SpaceParity
	default:
		return nil, fmt.Errorf("parity %q: want none, odd, even, mark or space", c.Parity)
	}
	switch c.Stop {
	case "", "1":
	case "1.5":
		m.StopBits = serial.OnePointFiveStopBits
	case "2":
		m.StopBits = serial.TwoStopBits
	default:
		return nil, fmt.Errorf("stop bits %q: want 1, 1.5 or 2", c.Stop)
	}
	if c.NoDTR || c.NoRTS {
		m.InitialStatusBits = &serial.ModemOutputBits{DTR: !c.NoDTR, RTS: !c.NoRTS}
	}
	return m, nil
}
