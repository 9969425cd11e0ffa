package parley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// realTime are the files of tests that sleep in real time, how often, and why: what they
// wait for is outside of this process, or is time itself. A wait for something that can
// be seen is no sleep but a loop that looks, and gives up long after a busy machine would.
var realTime = map[string]struct {
	sleeps int
	why    string
}{
	"bus/bustest/bucket.go":                 {1, "the second of two should be waiting; it is as good if not"},
	"bus/natsbus/embed/election_test.go":    {1, "a lease outlives what would end it, 22 s, on the clock of another server"},
	"bus/natsbus/natsbus_test.go":           {2, "the server's clock ages values; a request should be under way, it is as good if not"},
	"closewrite_test.go":                    {1, "a handler takes its time, with real sockets"},
	"cluster/owner_test.go":                 {1, "a fuzz target's wait for a lease"},
	"cmd/parley/beyond_away_test.go":        {2, "processes on other machines settle; what comes late must not count"},
	"cmd/parley/beyond_test.go":             {1, "what was said before must not count"},
	"cmd/parley/cuts_linux_test.go":         {4, "machines in network namespaces are cut off for a while, and looked at, with a bound"},
	"cmd/parley/exec_ends_linux_test.go":    {1, "a client of a process that reads later than a connection that is closed waits"},
	"cmd/parley/limits_test.go":             {3, "peers of the command that write and read slowly"},
	"cmd/parley/memory_linux_test.go":       {1, "a process gives memory back in its own time"},
	"cmd/parley/namespaces_linux_test.go":   {1, "machines in network namespaces are looked at, with a bound"},
	"cmd/parley/record_kills_linux_test.go": {3, "people speak at their own pace, and go on while their server is away"},
	"cmd/parley/slow_link_linux_test.go":    {2, "peers of the command on a slow link"},
	"confirmtaken_test.go":                  {1, "a handler takes its time, with real sockets"},
	"halfclose_test.go":                     {3, "nothing tells that a peer still reads, or that the kernel has said that it has closed"},
	"latency_bench_test.go":                 {1, "it measures how late a sleeper wakes up"},
	"patience_internal_test.go":             {1, "a bubble calls it through a variable"},
	"queue_test.go":                         {4, "a bubble calls them through a table"},
	"reliability/confirm_test.go":           {1, "a cut in the middle of what a process does"},
	"reliability/flood_test.go":             {1, "the processor's time of a server is measured meanwhile"},
	"reliability/patience_linux_test.go":    {1, "nothing tells that the kernel takes nothing more"},
	"reliability/patience_test.go":          {2, "a siege has its length"},
	"reliability/reset_test.go":             {1, "nothing tells when a peer has read"},
	"reliability/storm_test.go":             {3, "a storm has its length, and calms down"},
	"serial/serial_unix_test.go":            {1, "a Read should be waiting when its port is closed; it is as good if not"},
	"timeouts_progress_test.go":             {1, "a bubble calls it through a variable"},
	"web/browsertest/house_test.go":         {1, "a peer that reads slowly"},
	"web/browsertest/load_test.go":          {2, "a browser is measured meanwhile, and lets go of what has only come"},
	"web/browsertest/pages_test.go":         {1, "a page has drawn itself anew, which must leave a selection alone"},
}

// Tests sleep in virtual time. What sleeps otherwise is in the table above, and not more of it.
func TestSleepsInRealTime(t *testing.T) {
	found := make(map[string]int)
	for dir, files := range testFiles(t) {
		s := sleepers{virtual: make(map[string]bool), bubbles: map[string]bool{"synctest.Test": true}}
		s.learn(files)
		for name, f := range files {
			if n := s.real(f); n > 0 {
				found[path.Join(dir, name)] = n
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if want := realTime[name]; found[name] > want.sleeps {
			t.Errorf("%s: %d sleeps in real time, the table has %d: use a bubble (see helpers_test.go), or look for what is waited for", name, found[name], want.sleeps)
		}
	}
	for name, want := range realTime {
		if found[name] < want.sleeps {
			t.Errorf("%s: %d sleeps in real time, the table has %d: less is better, so write that", name, found[name], want.sleeps)
		}
	}
}

// testFiles are the test files of all modules, and the packages that hold tests for
// others, by folder and name.
func testFiles(t *testing.T) map[string]map[string]*ast.File {
	all := make(map[string]map[string]*ast.File)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		name = filepath.ToSlash(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		dir := path.Dir(name)
		if !strings.HasSuffix(name, "_test.go") && !slices.Contains([]string{"bus/bustest", "parleytest", "wire/wiretest"}, dir) {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if all[dir] == nil {
			all[dir] = make(map[string]*ast.File)
		}
		all[dir][path.Base(name)] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sleepers tells, for a folder, what runs in virtual time: what stands in a bubble, and
// the functions that are called there.
type sleepers struct {
	bubbles map[string]bool // functions that run what they are given in a bubble
	virtual map[string]bool // functions that are called in one
}

// learn fills both sets, until nothing is added any more.
func (s *sleepers) learn(files map[string]*ast.File) {
	for before := -1; before != len(s.bubbles)+len(s.virtual); {
		before = len(s.bubbles) + len(s.virtual)
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
					s.learnFrom(fn)
				}
			}
		}
	}
}

func (s *sleepers) learnFrom(fn *ast.FuncDecl) {
	s.walk(fn.Body, s.virtual[fn.Name.Name], func(n ast.Node, bubble bool) {
		call, ok := n.(*ast.CallExpr)
		if id, isName := n.(*ast.Ident); isName && bubble {
			s.virtual[id.Name] = true
		}
		if ok && s.bubbles[nameOf(call.Fun)] && !strings.HasPrefix(fn.Name.Name, "Test") && fn.Type.Params != nil {
			s.bubbles[fn.Name.Name] = true
		}
	})
}

// real counts the sleeps of f outside of bubbles, other than between two looks of a loop.
func (s *sleepers) real(f *ast.File) (n int) {
	polls := make(map[ast.Node]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		if loop, ok := n.(*ast.ForStmt); ok && loop.Post != nil {
			if post, ok := loop.Post.(*ast.ExprStmt); ok {
				polls[post.X] = true
			}
		}
		return true
	})
	for _, d := range f.Decls {
		virtual := false
		if fn, ok := d.(*ast.FuncDecl); ok {
			virtual = s.virtual[fn.Name.Name]
		}
		s.walk(d, virtual, func(node ast.Node, bubble bool) {
			if call, ok := node.(*ast.CallExpr); ok && !bubble && !polls[call] && nameOf(call.Fun) == "time.Sleep" {
				n++
			}
		})
	}
	return n
}

// walk calls f for what lies below n, and says whether that is in a bubble.
func (s *sleepers) walk(n ast.Node, bubble bool, f func(n ast.Node, bubble bool)) {
	ast.Inspect(n, func(m ast.Node) bool {
		if m == nil {
			return false
		}
		f(m, bubble)
		if call, ok := m.(*ast.CallExpr); ok && !bubble && s.bubbles[nameOf(call.Fun)] {
			for _, a := range call.Args {
				s.walk(a, true, f)
			}
			return false
		}
		return true
	})
}

// nameOf is the name of a function as it is called: f, or p.F.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if p, ok := e.X.(*ast.Ident); ok {
			return p.Name + "." + e.Sel.Name
		}
	}
	return ""
}
