package serial_test

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/serial"
)

// Verifies: SERIAL-01
func TestParse(t *testing.T) {
	for _, c := range []struct {
		addr, shown string
		want        serial.Config
	}{
		{"/dev/ttyUSB0", "", serial.Config{Name: "/dev/ttyUSB0"}},
		{"serial:///dev/ttyUSB0", "/dev/ttyUSB0", serial.Config{Name: "/dev/ttyUSB0"}},
		{"COM3", "", serial.Config{Name: "COM3"}},
		{"serial://COM3?baud=115200", "COM3?baud=115200", serial.Config{Name: "COM3", Baud: 115200}},
		{"/dev/ttyS0?parity=even&data=7&baud=300&stop=2", "/dev/ttyS0?baud=300&data=7&parity=even&stop=2", serial.Config{Name: "/dev/ttyS0", Baud: 300, Data: 7, Parity: "even", Stop: "2"}},
		{"/dev/ttyACM0?dtr=0&rts=0", "", serial.Config{Name: "/dev/ttyACM0", NoDTR: true, NoRTS: true}},
		{"/dev/ttyACM0?dtr=1", "/dev/ttyACM0", serial.Config{Name: "/dev/ttyACM0"}},
	} {
		got, err := serial.Parse(c.addr)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.addr, got, err)
		}
		shown := c.shown
		if shown == "" {
			shown = c.addr
		}
		if got.String() != shown {
			t.Errorf("%s is shown as %s, want %s", c.addr, got, shown)
		}
		if again, err := serial.Parse(got.String()); err != nil || again != got {
			t.Errorf("%s, read again: %+v, %v", c.addr, again, err)
		}
	}
}

// Verifies: SERIAL-01
func TestMistakes(t *testing.T) {
	for addr, want := range map[string]string{
		"":                    "name of the port is missing",
		"serial://?baud=9600": "name of the port is missing",
		"COM3?baud=fast":      "option baud=fast: want bits per second",
		"COM3?baud=0":         "want bits per second",
		"COM3?data=9":         "9 data bits: want 5 to 8",
		"COM3?data=0":         "want 5 to 8",
		"COM3?parity=maybe":   `parity "maybe": want none, odd, even, mark or space`,
		"COM3?stop=3":         `stop bits "3": want 1, 1.5 or 2`,
		"COM3?dtr=yes":        "want 0 or 1",
		"COM3?bauds=1":        `no option "bauds": use baud, data`,
		"COM3?baud=1&baud=2":  "given 2 times",
	} {
		c, err := serial.Parse(addr)
		if err == nil {
			t.Errorf("%s: read as %+v", addr, c)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+addr+`"`) {
			t.Errorf("%s: %v, want it to say %q", addr, err, want)
		}
	}
}
