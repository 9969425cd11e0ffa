package parley_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What keeps package parley readable is counted here. Where the goal has not been
// reached the bound is what has, so that it can only get better: who makes a figure
// smaller makes its bound smaller too.
//
//	go test -run TestStructure -v .
func TestStructure(t *testing.T) {
	h, parts := readHouse(t, ".", "Conn"), readHouse(t, "internal/session", "Life")
	flags := append(h.flags(h.held()), parts.flags(parts.structs())...)
	foreign := append(h.foreign(h.held(), "Conn"), parts.foreign(parts.structs(), "")...)
	for _, m := range []struct {
		what        string
		value       int
		bound, goal int
		detail      []string
	}{
		{"functions that take a *Conn, as receiver or parameter", len(h.withConn()), 110, 110, nil},
		{"methods of Conn", len(h.methods()), 90, 90, nil},
		{"methods of Conn, with those that it has from what it embeds", h.methodSet(), 90, 90, nil},
		{"fields of Conn, and of what it holds, that are a bool or flags", len(flags), 8, 8, flags},
		{"files that call each other in a circle", len(h.circle()), 8, 8, h.circle()},
		{"lines of the longest file", h.longest(), 400, 400, nil},
		{"places outside lock.go that touch a connection's lock", len(h.backDoors()), 0, 0, h.backDoors()},
		{"fields of a part that are written outside its file", len(foreign), 0, 0, foreign},
	} {
		t.Logf("%4d  %s (at most %d; goal %d)", m.value, m.what, m.bound, m.goal)
		for _, d := range m.detail {
			t.Log("        ", d)
		}
		if m.value > m.bound {
			t.Errorf("%s: %d, want at most %d", m.what, m.value, m.bound)
		}
		if m.value < m.bound && m.bound > m.goal {
			t.Logf("      the bound can be lowered to %d", max(m.value, m.goal))
		}
	}
}

// house is the package with its types, as far as they are its own: of what it
// imports nothing is known.
type house struct {
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
	pkg   *types.Package
	lines map[string]int // by file
}

// readHouse parses and checks the files of dir for this system; it has a type of that
// name.
func readHouse(t *testing.T, dir, has string) *house {
	h := &house{fset: token.NewFileSet(), lines: make(map[string]int), info: &types.Info{
		Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection),
		Types: make(map[ast.Expr]types.TypeAndValue),
	}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if ours, err := build.Default.MatchFile(dir, filepath.Base(name)); err != nil || !ours || strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(h.fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		h.files = append(h.files, f)
		h.lines[name] = bytes.Count(src, []byte("\n"))
	}
	conf := types.Config{Importer: strangers{}, Error: func(error) {}} // of what is not known, without end
	h.pkg, _ = conf.Check("parley", h.fset, h.files, h.info)
	if h.pkg == nil || h.pkg.Scope().Lookup(has) == nil {
		t.Fatal("there is no " + has)
	}
	return h
}

// strangers imports packages of which nothing is known but the name.
type strangers map[string]*types.Package

func (s strangers) Import(path string) (*types.Package, error) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	p := types.NewPackage(path, name)
	p.MarkComplete()
	return p, nil
}

func (h *house) file(p token.Pos) string { return h.fset.Position(p).Filename }

// isConn reports whether t is *Conn.
func (h *house) isConn(t types.Type) bool {
	p, ok := t.(*types.Pointer)
	return ok && h.struct_(p.Elem()) == "Conn"
}

// struct_ returns the name of one of our struct types.
func (h *house) struct_(t types.Type) string {
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || n.Obj().Pkg() != h.pkg {
		return ""
	}
	if _, ok := n.Underlying().(*types.Struct); !ok {
		return ""
	}
	return n.Obj().Name()
}

// funcs calls f for each function that is declared.
func (h *house) funcs(f func(d *ast.FuncDecl, obj *types.Func)) {
	for _, file := range h.files {
		for _, d := range file.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				f(d, h.info.Defs[d.Name].(*types.Func))
			}
		}
	}
}

// methods returns the names of Conn's methods.
func (h *house) methods() (names []string) {
	h.funcs(func(d *ast.FuncDecl, obj *types.Func) {
		if r := obj.Signature().Recv(); r != nil && h.isConn(r.Type()) {
			names = append(names, obj.Name())
		}
	})
	return names
}

// methodSet returns how many methods can be called on a *Conn.
func (h *house) methodSet() int {
	return types.NewMethodSet(types.NewPointer(h.pkg.Scope().Lookup("Conn").Type())).Len()
}

// withConn returns the names of the functions that take a *Conn.
func (h *house) withConn() []string {
	names := h.methods()
	h.funcs(func(d *ast.FuncDecl, obj *types.Func) {
		if r := obj.Signature().Recv(); r != nil && h.isConn(r.Type()) {
			return
		}
		for v := range obj.Signature().Params().Variables() {
			if h.isConn(v.Type()) {
				names = append(names, obj.Name())
				return
			}
		}
	})
	return names
}

// held returns Conn and the struct types of ours that it holds, directly or not:
// not its configuration, which does not change.
func (h *house) held() map[string]*types.Struct {
	all := make(map[string]*types.Struct)
	var add func(t types.Type)
	add = func(t types.Type) {
		switch u := types.Unalias(t).(type) {
		case *types.Pointer:
			add(u.Elem())
		case *types.Slice:
			add(u.Elem())
		case *types.Named:
			name := h.struct_(u)
			if name == "" || name == "config" || all[name] != nil {
				return
			}
			s := u.Underlying().(*types.Struct)
			all[name] = s
			for f := range s.Fields() {
				add(f.Type())
			}
		}
	}
	add(h.pkg.Scope().Lookup("Conn").Type())
	return all
}

// structs returns all struct types of the package, but for what does not change.
func (h *house) structs() map[string]*types.Struct {
	all := make(map[string]*types.Struct)
	for _, name := range h.pkg.Scope().Names() {
		if s, ok := h.pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct); ok && name != "Rules" && name != "Patience" {
			all[name] = s
		}
	}
	return all
}

// flags returns the fields of the given types that are booleans, or integers of which
// single bits are asked.
func (h *house) flags(of map[string]*types.Struct) (names []string) {
	bits := make(map[types.Object]bool)
	for _, f := range h.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok && (b.Op == token.AND || b.Op == token.OR || b.Op == token.AND_NOT) {
				for _, x := range []ast.Expr{b.X, b.Y} {
					if s, ok := ast.Unparen(x).(*ast.SelectorExpr); ok && h.info.Selections[s] != nil {
						bits[h.info.Selections[s].Obj()] = true
					}
				}
			}
			return true
		})
	}
	src := make(map[types.Object]string) // the type as it is written, where it is not ours
	for _, f := range h.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				for _, name := range f.Names {
					src[h.info.Defs[name]] = types.ExprString(f.Type)
				}
			}
			return true
		})
	}
	for name, s := range of {
		for f := range s.Fields() {
			if types.Identical(f.Type().Underlying(), types.Typ[types.Bool]) || src[f] == "atomic.Bool" || bits[f] {
				names = append(names, name+"."+f.Name())
			}
		}
	}
	slices.Sort(names)
	return names
}

// foreign returns the fields of the given types, but one, that are written outside the
// file that declares them.
func (h *house) foreign(of map[string]*types.Struct, but string) []string {
	owner := make(map[types.Object]string)
	for name, s := range of {
		if name == but {
			continue
		}
		for f := range s.Fields() {
			owner[f] = name
		}
	}
	files := make(map[string]map[string]bool)
	for _, f := range h.files {
		ast.Inspect(f, func(n ast.Node) bool {
			var to []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				to = n.Lhs
			case *ast.IncDecStmt:
				to = []ast.Expr{n.X}
			}
			for _, x := range to {
				s, ok := ast.Unparen(x).(*ast.SelectorExpr)
				if !ok || h.info.Selections[s] == nil {
					continue
				}
				field := h.info.Selections[s].Obj()
				home := h.file(field.Pos())
				if owner[field] == "" || h.file(x.Pos()) == home {
					continue
				}
				name := owner[field] + "." + field.Name()
				if files[name] == nil {
					files[name] = make(map[string]bool)
				}
				files[name][h.file(x.Pos())] = true
			}
			return true
		})
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		lines = append(lines, fmt.Sprint(name, ": ", strings.Join(slices.Sorted(maps.Keys(files[name])), " ")))
	}
	return lines
}

// backDoors returns where a connection's lock is touched beside its door.
func (h *house) backDoors() (places []string) {
	lock := h.held()["Conn"]
	for _, f := range h.files {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || h.info.Selections[s] == nil || h.file(s.Pos()) == "lock.go" {
				return true
			}
			for field := range lock.Fields() {
				if field.Name() == "mu" && h.info.Selections[s].Obj() == field {
					places = append(places, h.fset.Position(s.Pos()).String())
				}
			}
			return true
		})
	}
	return places
}

// circle returns the largest set of files each of which calls, directly or not,
// all the others.
func (h *house) circle() []string {
	calls := make(map[string]map[string]bool)
	for _, f := range h.files {
		from := h.file(f.Pos())
		calls[from] = make(map[string]bool)
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if obj, ok := h.info.Uses[id].(*types.Func); ok && obj.Pkg() == h.pkg && obj.Pos().IsValid() {
					calls[from][h.file(obj.Pos())] = true
				}
			}
			return true
		})
	}
	reach := func(from string) map[string]bool {
		seen := make(map[string]bool)
		for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
			for to := range calls[todo[0]] {
				if !seen[to] {
					seen[to] = true
					todo = append(todo, to)
				}
			}
		}
		return seen
	}
	reached := make(map[string]map[string]bool)
	for f := range calls {
		reached[f] = reach(f)
	}
	var circles [][]string
	for f := range calls {
		var circle []string
		for g := range reached[f] {
			if reached[g][f] {
				circle = append(circle, g)
			}
		}
		slices.Sort(circle)
		circles = append(circles, circle)
	}
	return slices.MaxFunc(circles, func(a, b []string) int { return cmp.Compare(len(a), len(b)) })
}

// longest returns how many lines the longest file has.
func (h *house) longest() int { return slices.Max(slices.Collect(maps.Values(h.lines))) }
