package wire_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A machine knows no socket, no clock, no goroutine and no lock. What keeps it
// so is that it cannot name them. What the processor can do it may ask.
//
// Verifies: RUNTIME-51
func TestMachinesImportNoWorld(t *testing.T) {
	forbidden := map[string]bool{"net": true, "os": true, "time": true, "sync": true, "context": true, "log": true}
	const module = "github.com/parley-net/parley"
	for _, pkg := range []string{"wire", "oneline", "tinyproto", "serpy", "serpy2", "line", "frame"} {
		files := 0
		err := filepath.WalkDir(filepath.Join("..", pkg), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "wiretest" || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imp := range f.Imports {
				name, err := strconv.Unquote(imp.Path.Value)
				if err != nil {
					return err
				}
				first, _, _ := strings.Cut(name, "/")
				switch {
				case forbidden[first]:
					t.Errorf("%s imports %s: that belongs to the driver", path, name)
				case name == module:
					t.Errorf("%s imports the runtime", path)
				case name == "golang.org/x/sys/cpu":
				case strings.Contains(first, ".") && !strings.HasPrefix(name, module+"/"):
					t.Errorf("%s imports %s, which is not in the standard library", path, name)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if files == 0 {
			t.Errorf("package %s has no files", pkg)
		}
	}
}
