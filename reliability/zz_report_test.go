package reliability

import (
	"os"
	"strings"
	"testing"
)

// TestReport comes last and prints the figures of all tests as one table, also
// to the file that PARLEY_RELIABILITY_REPORT names.
func TestReport(t *testing.T) {
	var b strings.Builder
	printReport(&b)
	t.Log("\n" + b.String())
	if name := os.Getenv("PARLEY_RELIABILITY_REPORT"); name != "" {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}
