package selftest

import (
	"bufio"
	"fmt"
	"net"
	"sync"
)

// device is an instrument that answers each line, and notes on which connection it came.
type device struct {
	l net.Listener

	mu    sync.Mutex
	conns int
	asked []int // the connection's number of each line
}

func newDevice() (*device, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &device{l: l}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			d.mu.Lock()
			d.conns++
			n := d.conns
			d.mu.Unlock()
			go d.serve(c, n)
		}
	}()
	return d, nil
}

func (d *device) serve(c net.Conn, n int) {
	defer c.Close()
	for s := bufio.NewScanner(c); s.Scan(); {
		d.mu.Lock()
		d.asked = append(d.asked, n)
		d.mu.Unlock()
		fmt.Fprintf(c, "%s\n", s.Text())
	}
}

func (d *device) url() string { return "line://" + d.l.Addr().String() }

// old counts the lines that have come on a connection behind one on a newer one: those of
// an owner of before.
func (d *device) old() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	newest, old := 0, 0
	for _, n := range d.asked {
		if n < newest {
			old++
		}
		newest = max(newest, n)
	}
	return old
}
