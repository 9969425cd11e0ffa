package parley_test

import (
	"cmp"
	"flag"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
)

// With -eventloops N the tests' servers use event loops where they can: every
// test runs with either driver.
var eventLoops = flag.Int("eventloops", 0, "how many event loops the tests' servers use (0: a goroutine per connection)")

// newServer is parleytest.NewServer with the driver that was asked for.
func newServer(tb testing.TB, srv *parley.Server) (addr string) {
	tb.Helper()
	srv.EventLoops = cmp.Or(srv.EventLoops, *eventLoops)
	return parleytest.NewServer(tb, srv)
}
