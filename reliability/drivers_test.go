package reliability

import (
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
}

var drivers = []driver{
	{name: "goroutines", use: func(*parley.Server) {}, memory: true},
}

// eachDriver runs f as a subtest with every driver.
func eachDriver(t *testing.T, f func(t *testing.T, d driver)) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) { f(t, d) })
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
