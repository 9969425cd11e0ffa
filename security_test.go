package parley_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/plugin/seal"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/transfer"
)

// Every field that bounds something stands in SECURITY.md's table of limits,
// and every test that the table names exists.
func TestSecurityPage(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## Limits, and where they are\n")
	table, _, ends := strings.Cut(table, "\n## ")
	if !found || !ends {
		t.Fatal("SECURITY.md has no table of limits")
	}
	bounds := regexp.MustCompile("^(Max|Min|Stall|Window|WhenFull|WhenSlow)")
	for _, v := range []any{parley.Limits{}, parley.Timeouts{}, parley.Server{}, parley.Client{}, oneline.Protocol{}, pickle.Limits{}, transfer.Server{}, transfer.Client{}, seal.Plugin{}} {
		typ := reflect.TypeOf(v)
		all := typ == reflect.TypeFor[parley.Timeouts]()
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if (all || bounds.MatchString(name)) && !regexp.MustCompile("`[\\w.]*\\b"+name+"\\b").MatchString(table) {
				t.Errorf("the table does not have %s.%s", typ, name)
			}
		}
	}

	tests := make(map[string]bool)
	err = filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(code), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(table, -1) {
		if !tests[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
