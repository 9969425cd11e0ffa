package reliability

import (
	"flag"
	"os"
	"strings"
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
	os.Setenv("GODEBUG", strings.TrimPrefix(os.Getenv("GODEBUG")+",tracebacklabels=1", ",")) // whose seed a crash is of
	if !full && flag.Lookup("test.fuzz").Value.String() == "" {
		flag.Set("test.parallel", "16") // most cases wait most of their time
	}
	leak.Main(m)
}
