package interop

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/leak"
)

func TestMain(m *testing.M) {
	for _, p := range peers() {
		for _, o := range p.origins {
			fmt.Printf("interop: %s: %s\n", p.name, o)
		}
		if len(p.origins) == 0 {
			fmt.Printf("interop: %s: left out, %s\n", p.name, p.missing)
		}
	}
	// The originals poll: most of a test's time is waiting.
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", "4")
	}
	leak.Main(m)
}

func TestRequired(t *testing.T) {
	required := os.Getenv("PARLEY_REQUIRE")
	if required == "" {
		t.Skip("PARLEY_REQUIRE is not set: no original is required")
	}
	for name := range strings.SplitSeq(required, ",") {
		i := slices.IndexFunc(peers(), func(p peer) bool { return p.name == name })
		switch {
		case i < 0:
			t.Errorf("PARLEY_REQUIRE: there is no original named %q", name)
		case len(peers()[i].origins) == 0:
			t.Errorf("%s is required: %s", name, peers()[i].missing)
		}
	}
}
