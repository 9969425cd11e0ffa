package recorded

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The pages of docs/protocol name every transcript, so that no quirk of an
// original that was recorded is left undescribed. v?_echo stands for v2_echo
// and v3_echo.
func TestPagesNameEveryTranscript(t *testing.T) {
	for _, folder := range []string{"oneline", "tinyproto", "serpy", "serpy2", "tpft", "line"} {
		page, err := os.ReadFile("../../docs/protocol/" + folder + ".md")
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, name := range regexp.MustCompile(`[\w?]+`).FindAllString(string(page), -1) {
			if rest, ok := strings.CutPrefix(name, "v?_"); ok {
				named["v2_"+rest], named["v3_"+rest] = true, true
			}
			named[name] = true
		}
		for _, tr := range Load(t, folder) {
			if !named[tr.Name] {
				t.Errorf("docs/protocol/%s.md does not name %s: %s", folder, tr.Name, tr.Description)
			}
		}
	}
}
