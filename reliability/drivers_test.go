package reliability

import (
	"runtime"
	"testing"

	"github.com/parley-net/parley"
)

// A driver is one of the ways in which a server moves its bytes. Every test
// runs with each of them.
type driver struct {
	name string
	use  func(*parley.Server) // makes a server use it
	// memory: it takes connections that are no sockets, so it also runs in
	// virtual time.
	memory bool
	linux  bool // it is for Linux only
}

var drivers = []driver{
	{name: "goroutines", use: func(*parley.Server) {}, memory: true},
	{name: "loops", use: func(s *parley.Server) { s.EventLoops = 2 }, linux: true},
}

// eachDriver runs f as a subtest with every driver.
func eachDriver(t *testing.T, f func(t *testing.T, d driver)) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			if d.linux && runtime.GOOS != "linux" {
				t.Skipf("the driver %s is for Linux only", d.name)
			}
			f(t, d)
		})
	}
}

// eachMemoryDriver leaves out the drivers that need sockets.
func eachMemoryDriver(t *testing.T, f func(t *testing.T, d driver)) {
	eachDriver(t, func(t *testing.T, d driver) {
		if !d.memory {
			t.Skipf("the driver %s needs sockets, which have no virtual time", d.name)
		}
		f(t, d)
	})
}
