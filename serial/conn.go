package serial

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.bug.st/serial"
)

const (
	// piece is how much is given to the port at a time: so much at most is under
	// way when a write is given up.
	piece = 256
	// look is how often who reads the port looks whether it is to be closed.
	// Closing it under a reader could let that read another file, which has got
	// the port's descriptor meanwhile.
	look = 20 * time.Millisecond
)

// conn is an open port as a net.Conn. A port knows no deadlines, and who reads or
// writes it can't be woken: so two goroutines do that, and our side is one end of
// a pipe in memory, which has all this.
type conn struct {
	net.Conn          // our end
	theirs   net.Conn // the goroutines' end
	port     serial.Port
	config   Config

	once   sync.Once
	closed chan struct{} // Close has been called, or the port has failed
	gone   chan struct{} // the port is closed

	mu  sync.Mutex
	err error // why the port has failed

	turn sync.Mutex // one Write at a time
}

func newConn(config Config, port serial.Port) *conn {
	c := &conn{port: port, config: config, closed: make(chan struct{}), gone: make(chan struct{})}
	c.Conn, c.theirs = net.Pipe()
	var work sync.WaitGroup
	writing := make(chan struct{})
	work.Go(c.readPort)
	work.Go(func() {
		defer close(writing)
		c.writePort()
	})
	go func() {
		<-c.closed
		c.giveUp(writing)
		work.Wait()
		port.Close()
		close(c.gone)
	}()
	return c
}

// readPort brings what the port receives. While nobody takes it the port is not
// read; how much it then keeps is the system's business.
func (c *conn) readPort() {
	defer func() {
		if r := recover(); r != nil { // select(2) knows 1,024 descriptors
			c.fail(fmt.Errorf("the port can't be watched (%v): open it before so many other files", r))
		}
	}()
	buf := make([]byte, 4096)
	for !c.isClosed() {
		n, err := c.port.Read(buf)
		if n > 0 {
			if _, err := c.theirs.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// writePort gives the port what is written. Reading no bytes at all is how a
// Write waits until we are back here.
func (c *conn) writePort() {
	buf := make([]byte, piece)
	for {
		n, err := c.theirs.Read(buf)
		if err != nil {
			return
		}
		for p := buf[:n]; len(p) > 0; {
			n, err := c.port.Write(p)
			if err != nil {
				c.fail(err)
				return
			}
			p = p[n:]
		}
	}
}

// giveUp waits until the writer has ended, which it does at once unless the
// other side has stopped the line: then what has not left in the time that it
// takes is thrown away.
func (c *conn) giveUp(writing <-chan struct{}) {
	const held = 4096 + piece // with what the system may hold
	baud := c.config.Baud
	if baud == 0 {
		baud = 9600
	}
	limit := time.Second + held*12*time.Second/time.Duration(baud)
	for {
		select {
		case <-writing:
			return
		case <-time.After(limit):
			c.port.ResetOutputBuffer()
			limit = look
		}
	}
}

func (c *conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// fail notes why the port has failed, and ends the connection.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = fmt.Errorf("serial port %s: %w", c.config.Name, err)
		if isCode(err, serial.PortClosed) || errors.Is(err, io.EOF) {
			c.err = fmt.Errorf("serial port %s: the device is gone", c.config.Name)
		}
	}
	c.mu.Unlock()
	c.close()
}

func (c *conn) close() {
	c.once.Do(func() { close(c.closed) })
	c.theirs.Close()
}

// failure returns the port's error in place of the pipe's.
func (c *conn) failure(err error) error {
	if err != io.EOF && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return net.ErrClosed
}

// Read reads what has arrived.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		err = c.failure(err)
	}
	return n, err
}

// Write returns when the system has taken p.
func (c *conn) Write(p []byte) (int, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	n, err := c.Conn.Write(p)
	if err == nil {
		_, err = c.Conn.Write(nil) // until the goroutine is back from the port
	}
	if err != nil {
		err = c.failure(err)
	}
	return n, err
}

// Close ends the connection and gives the port back. What has been written still
// leaves; where the line does not take it, Close does not wait for that.
func (c *conn) Close() error {
	c.Conn.Close()
	c.close()
	select {
	case <-c.gone: // else who opens it next would have to share what arrives
	case <-time.After(5 * look):
	}
	return nil
}

// LocalAddr returns the port's name.
func (c *conn) LocalAddr() net.Addr { return Addr(c.config.Name) }

// RemoteAddr returns the port's name too: nobody knows who is at the other end.
func (c *conn) RemoteAddr() net.Addr { return Addr(c.config.Name) }

// Addr is a port's name as an address.
type Addr string

// Network returns "serial".
func (Addr) Network() string { return "serial" }

// String returns the name.
func (a Addr) String() string { return string(a) }
