package reliability

import (
	"flag"
	"os"
	"testing"

	"github.com/parley-net/parley/internal/leak"
)

// TestMain runs the tests; in a process that a test has started it is that
// test's server instead.
func TestMain(m *testing.M) {
	if config := os.Getenv(childConfigEnv); config != "" {
		serveAsChild(config)
		return
	}
	flag.Parse()
	if !full && flag.Lookup("test.fuzz").Value.String() == "" {
		flag.Set("test.parallel", "16") // most cases wait most of their time
	}
	leak.Main(m)
}
