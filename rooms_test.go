package parley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is a row of one of ARCHITECTURE.md's tables: folders, and what they may import.
type room struct {
	folders []string // without the slash at the end; "." is package parley
	own     []string // packages of ours; "the public API", "nothing of parley"
	others  []string // modules, or "its go.mod"
	none    []string // of the standard library
	used    bool
	needed  map[string]bool // of own and others, what is imported
}

// rooms reads the tables.
func rooms(t *testing.T) (all []*room) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		begins, ruler := strings.HasPrefix(line, "| room |"), strings.HasPrefix(line, "|---")
		inside = begins || inside && line[0] == '|'
		if !inside || begins || ruler {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 {
			t.Fatalf("a row of %d cells: %s", len(cells), line)
		}
		r := &room{needed: make(map[string]bool)}
		for _, f := range strings.Fields(strings.Split(cells[0], "(")[0]) {
			f = strings.Trim(f, "`")
			r.folders = append(r.folders, strings.TrimSuffix(strings.TrimSuffix(f, "…"), "/"))
		}
		for _, rule := range strings.Split(cells[2], ";") {
			rule = strings.TrimSpace(rule)
			names := strings.Split(strings.TrimPrefix(rule, "no "), ", ")
			switch {
			case strings.HasPrefix(rule, "no "):
				r.none = names
			case strings.Contains(rule, "."):
				r.others = names
			default:
				r.own = names
			}
		}
		all = append(all, r)
	}
	return all
}

// of returns the row that is about a folder: the one that names it, or most of the
// way to it.
func of(all []*room, folder string) (r *room, at string) {
	for _, candidate := range all {
		for _, f := range candidate.folders {
			if (f == folder || f != "." && strings.HasPrefix(folder, f+"/")) && (r == nil || len(f) > len(at)) {
				r, at = candidate, f
			}
		}
	}
	return r, at
}

// allows says why a package in the folder at, or below it, may not import name; "" if
// it may.
func (r *room) allows(at, name string) string {
	const module = "github.com/parley-net/parley"
	first, _, _ := strings.Cut(name, "/")
	switch {
	case slices.Contains(r.none, first):
		return "the table has \"no " + first + "\""
	case name == module || strings.HasPrefix(name, module+"/"):
		own := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
		if own == "" {
			own = "parley"
		}
		public := !slices.Contains(strings.Split(own, "/"), "internal")
		if in, ok := strings.CutPrefix(own, "cmd/parley/internal/"); ok && strings.HasPrefix(at, "cmd/parley/internal/") && slices.Contains(r.own, in) {
			r.needed[in] = true
			return ""
		}
		r.needed[own] = true
		if public {
			r.needed["the public API"] = true
		}
		if slices.Contains(r.own, own) || slices.Contains(r.own, "the public API") && public || at != "." && (own == at || strings.HasPrefix(own, at+"/")) {
			return ""
		}
		return "the table does not name " + own
	case !strings.Contains(first, "."), slices.Contains(r.others, "its go.mod"):
		return ""
	}
	for _, o := range r.others {
		if name == o || strings.HasPrefix(name, o+"/") {
			r.needed[o] = true
			return ""
		}
	}
	return "the table does not name this module"
}

// Every folder has a row in the table of rooms, every row has its folders, and
// nobody imports what the row does not name, or names what nobody imports. Each package says what it is.
//
// Verifies: RUNTIME-51
func TestRooms(t *testing.T) {
	all := rooms(t)
	if len(all) < 60 {
		t.Fatalf("the table has %d rows", len(all))
	}
	plates := make(map[string]bool)
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "docs"):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
			return nil
		}
		folder := path.Dir(filepath.ToSlash(file))
		r, at := of(all, folder)
		if r == nil {
			t.Errorf("ARCHITECTURE.md's table has no row for %s", folder)
			return nil
		}
		r.used = true
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		plates[folder] = plates[folder] || f.Doc != nil && f.Doc.Text() != ""
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			if why := r.allows(at, name); why != "" {
				t.Errorf("%s imports %s: %s", file, name, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, has := range plates {
		if !has {
			t.Errorf("%s: no file says in its package comment what the package is", folder)
		}
	}
	for _, r := range all {
		for _, f := range r.folders {
			if _, err := os.Stat(f); err != nil {
				t.Errorf("the table's %s is not there", f)
			}
		}
		for _, name := range slices.Concat(r.own, r.others) {
			if len(r.needed) > 0 && name != "nothing of parley" && name != "its go.mod" && !r.needed[name] {
				t.Errorf("the table's row %v names %s, which nobody there imports", r.folders, name)
			}
		}
		if !r.used {
			t.Errorf("the table's row %v is about no package", r.folders)
		}
	}
}

// The parts of a connection are told what time it is, and start no timer.
func TestSessionHasNoClock(t *testing.T) {
	files, err := filepath.Glob("internal/session/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files:", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				switch sel.Sel.Name {
				case "Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick", "Timer", "Ticker":
					t.Errorf("%v: time.%s", fset.Position(sel.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	}
}
