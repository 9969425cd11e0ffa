// Package serial lets parley speak over serial ports, in either role. A program
// that asks a device:
//
//	d := parley.Dialer{Protocol: line.Protocol{}, NetDial: serial.Dial}
//	c, err := d.Dial(ctx, "serial:///dev/ttyUSB0?baud=115200")
//
// and one that is the device:
//
//	l, err := serial.Listen("COM3?parity=even&data=7")
//	...
//	srv := parley.Server{Protocol: line.Protocol{}, Handler: h}
//	err = srv.Serve(l)
//
// A serial line is no network: nobody connects, so a connection is open as soon
// as the port is; the other side can't close, so there is no end of the stream;
// there is one client, so the port is opened for this program alone (where the
// system can say so). What the line has broken arrives broken. So it is for protocols
// that begin without a greeting and can tell a message by itself: those of the
// packages line and frame, as instruments speak them. No flow control is used.
//
// The package is a module of its own, as it brings go.bug.st/serial with it.
package serial
