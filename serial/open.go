package serial

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"go.bug.st/serial"
)

// Dial opens a serial port for a Dialer: set Dialer.NetDial to it, and dial the
// address of a port, as Parse reads it. network is ignored.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := Parse(address)
	if err != nil {
		return nil, err
	}
	return c.Open(ctx)
}

// Open opens the port, for this program alone. The connection's Read ends with
// the port's error, never with the end of a stream; its Write returns when the
// system has taken the bytes.
//
// A port that is in use is tried again for half a second, as this program itself
// may just be giving it back.
func (c Config) Open(ctx context.Context) (net.Conn, error) {
	m, err := c.mode()
	if err != nil {
		return nil, fmt.Errorf("serial port %s: %w", c.Name, err)
	}
	for until := time.Now().Add(patience); ; {
		p, err := serial.Open(c.Name, m)
		switch {
		case err == nil:
			if err := p.SetReadTimeout(look); err != nil {
				p.Close()
				return nil, c.explain(err)
			}
			return newConn(c, p), nil
		case !isCode(err, serial.PortBusy) || time.Now().After(until):
			return nil, c.explain(err)
		}
		select {
		case <-time.After(look / 2):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

const patience = 500 * time.Millisecond

func isCode(err error, code serial.PortErrorCode) bool {
	var e *serial.PortError
	return errors.As(err, &e) && e.Code() == code
}

// explain says which port an error is about, and what to do.
func (c Config) explain(err error) error {
	advice := ""
	switch {
	case isCode(err, serial.PortBusy):
		advice = ": another program uses it"
	case isCode(err, serial.PortNotFound), errors.Is(err, fs.ErrNotExist):
		advice = ": is the device plugged in?"
		if ports, e := serial.GetPortsList(); e == nil && len(ports) > 0 {
			advice = fmt.Sprintf(": there are %q", ports)
		}
	case isCode(err, serial.PermissionDenied), errors.Is(err, fs.ErrPermission):
		advice = ": on Linux the user must be in the port's group (dialout, or uucp)"
	case isCode(err, serial.InvalidSerialPort), isCode(err, serial.InvalidStopBits), isCode(err, serial.InvalidParity):
		advice = fmt.Sprintf(": it can't be set to %s", c)
	}
	return fmt.Errorf("serial port %s: %w%s", c.Name, err, advice)
}
