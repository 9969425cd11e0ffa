package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// test is a test function that says what it verifies.
type test struct {
	pkg   string   // import path
	label string   // package and name as the matrix shows them
	name  string   // TestX, FuzzX or ExampleX
	ids   []string // what it verifies
	where string   // file:line
}

// findTests returns the tests of the module in dir, and of those that its
// go.work joins with it, that verify something, in the order of their files. A
// "Verifies:" line that belongs to no test is an error: nobody would miss it
// otherwise.
func findTests(dir string) ([]test, error) {
	modules, err := findModules(dir)
	if err != nil {
		return nil, err
	}
	var all []test
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if modules[rel] == "" {
				return skipDir(dir, file)
			}
			return nil
		}
		if !strings.HasSuffix(file, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		tests, err := parseTests(rel, src)
		for i := range tests {
			folder := path.Dir(rel)
			tests[i].pkg = modules.importPath(folder)
			if folder == "." {
				folder = path.Base(modules["."])
			}
			tests[i].label = folder + "." + tests[i].name
		}
		all = append(all, tests...)
		return err
	})
	return all, err
}

// parseTests returns the tests in one file that verify something.
func parseTests(name string, src []byte) ([]test, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var tests []test
	var errs []error
	docs := make(map[*ast.CommentGroup]bool)
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Doc == nil || fn.Recv != nil || !isTest(fn.Name.Name) {
			continue
		}
		docs[fn.Doc] = true
		if ids := verifies(fn.Doc); ids != nil {
			pos := files.Position(fn.Pos())
			tests = append(tests, test{name: fn.Name.Name, ids: ids, where: fmt.Sprintf("%s:%d", name, pos.Line)})
		}
	}
	for _, group := range f.Comments {
		if !docs[group] && verifies(group) != nil {
			pos := files.Position(group.Pos())
			errs = append(errs, fmt.Errorf("%s:%d: this Verifies line is not in the doc comment of a test: put it directly above one", name, pos.Line))
		}
	}
	return tests, errors.Join(errs...)
}

// isTest reports whether the go command runs a function of this name.
func isTest(name string) bool {
	for _, prefix := range []string{"Test", "Fuzz", "Example"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest == "" || !('a' <= rest[0] && rest[0] <= 'z')
		}
	}
	return false
}

// verifies returns the ids behind "Verifies:" in a comment, as they stand
// there; nil if there is no such line.
func verifies(c *ast.CommentGroup) []string {
	var ids []string
	for line := range strings.SplitSeq(c.Text(), "\n") {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), "Verifies:"); ok {
			for id := range strings.SplitSeq(list, ",") {
				ids = append(ids, strings.TrimSpace(id))
			}
		}
	}
	return ids
}
