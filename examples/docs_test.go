package examples_test

import (
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/originals"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// goBlocks returns the Go code of a Markdown page.
func goBlocks(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range goBlock.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// build compiles a program of one file that stands outside the module.
func build(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "main.exe")
	if err := os.WriteFile(file, []byte(code), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(limit(t), "go", "build", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, code)
	}
	return bin
}

// The README's server and client, as they are printed but for the port.
func TestReadmePrograms(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	blocks := goBlocks(t, "../README.md")
	if len(blocks) != 2 {
		t.Fatalf("the README has %d blocks of Go, want a server and a client", len(blocks))
	}
	var bins []string
	for _, code := range blocks {
		if !strings.Contains(code, `"127.0.0.1:5001"`) {
			t.Fatal("the README's programs are not on 127.0.0.1:5001")
		}
		bins = append(bins, build(t, strings.ReplaceAll(code, "127.0.0.1:5001", addr)))
	}
	launch(t, "the README's server", exec.CommandContext(limit(t), bins[0]))
	awaitListener(t, addr)
	client := launch(t, "the README's client", exec.CommandContext(limit(t), bins[1]))
	client.expect("ack <nil>")
	client.ends()
}

// awaitListener waits until somebody listens on addr.
func awaitListener(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for done := limit(t).Done(); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-done:
			t.Fatalf("nobody listens on %s", addr)
		}
	}
}

// The code on the migration page compiles.
func TestMigrationPage(t *testing.T) {
	t.Parallel()
	blocks := goBlocks(t, "../docs/migration.md")
	if len(blocks) == 0 {
		t.Fatal("the page has no Go code")
	}
	code := strings.Join(blocks, "\n")
	imports := "package main\n\nimport (\n"
	for _, path := range []string{"context", "log", "math", "net", "os", "time"} {
		if strings.Contains(code, path+".") {
			imports += "\t\"" + path + "\"\n"
		}
	}
	imports += "\n\t\"github.com/parley-net/parley\"\n"
	for _, name := range []string{"oneline", "tinyproto", "serpy", "serpy2", "transfer"} {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(code) {
			imports += "\t\"github.com/parley-net/parley/" + name + "\"\n"
		}
	}
	build(t, imports+")\n\nfunc main() {}\n\n"+code)
}

// publicNames prints what a user of Python modules can name: classes, constants
// and, if the first argument says so, the classes' methods, properties,
// attributes and optional parameters.
const publicNames = `
import ast, sys
names = set()
for file in sys.argv[2:]:
    for node in ast.parse(open(file).read()).body:
        if isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if t.id.isupper())
        if not isinstance(node, ast.ClassDef):
            continue
        names.add(node.name)
        if sys.argv[1] != 'members':
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and (method.name[0] != '_' or method.name == '__init__'):
                optional = method.args.args[len(method.args.args) - len(method.args.defaults):] + method.args.kwonlyargs
                names.update([method.name] + [a.arg for a in optional])
        names.update(n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
                     and isinstance(n.value, ast.Name) and n.value.id == 'self')
print('\n'.join(sorted(n for n in names if n[0] != '_')))
`

// Every name of the originals that a program can use stands in the section
// that the migration page has for it.
func TestMigrationPageIsComplete(t *testing.T) {
	peers(t)
	page, err := os.ReadFile(filepath.FromSlash("../docs/migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, text := range strings.Split(string(page), "\n## ")[1:] {
		title, rest, _ := strings.Cut(text, "\n")
		sections[title] = rest
	}
	sections["serpy2"] += sections["serpy"] // as serpy but for what it says
	for _, original := range []struct{ section, what, files string }{
		{"socket-oneline", "members", "oneline/socket_oneline/lib/*line_*.py"},
		{"tinyproto", "members", "tinyproto2/tinyproto/*.py"},
		{"tinyproto", "members", "tinyproto3/src/tinyproto/*.py"},
		{"tpft", "classes", "tpft/tpft.py"}, // a program, no library
		{"serpy", "members", "serpy/serpy/*.py"},
		{"serpy2", "members", "serpy/serpy2/*.py"},
	} {
		dir, err := originals.File(path.Dir(original.files))
		if err != nil {
			t.Log(err) // it is left out
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, path.Base(original.files)))
		if err != nil || len(files) == 0 {
			t.Errorf("PARLEY_PEERS has no %s", original.files)
			continue
		}
		out, err := exec.CommandContext(limit(t), interpreter(t), append([]string{"-c", publicNames, original.what}, files...)...).Output()
		names := strings.Fields(string(out))
		if err != nil || len(names) < 10 {
			t.Errorf("%s: %d names: %v", original.files, len(names), err)
		}
		for _, name := range names {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(sections[original.section]) {
				t.Errorf("the section %q does not have %s of %s", original.section, name, original.files)
			}
		}
	}
}

// The page about a wire of one's own is a module that builds, passes its tests, and
// prints what it shows; package wire's example is the same code.
//
// Verifies: WIRE-07
func TestWriteYourOwnWire(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/write-your-own-wire.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	const need = "github.com/parley-net/parley v0.1.0"
	files := map[string]string{
		"go.mod":  "module example.org/zero\n\ngo 1.26.0\n\nrequire " + need + "\n",
		"go.work": "go 1.26.0\n\nuse (\n\t.\n\t" + root + "\n)\n\nreplace " + need + " => " + root + "\n",
	}
	for _, m := range regexp.MustCompile("(?ms)^```go (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(b), -1) {
		files[m[1]] = m[2]
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, machine, _ := strings.Cut(files["zero.go"], "type Zero struct{}")
	example, err := os.ReadFile("../wire/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if machine == "" || !strings.Contains(string(example), strings.TrimSpace(machine)) {
		t.Error("wire/example_test.go is not the wire of the page")
	}
	_, console, _ := strings.Cut(string(b), "```console\n")
	console, _, _ = strings.Cut(console, "```")
	commands := strings.Split("\n"+console, "\n$ ")[1:]
	if len(files) != 5 || len(commands) != 3 {
		t.Fatalf("the page has %d files and %d commands", len(files)-2, len(commands))
	}
	for _, c := range commands {
		line, want, _ := strings.Cut(c, "\n")
		cmd := exec.CommandContext(limit(t), "go", strings.Fields(line)[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*")
		if err != nil || !regexp.MustCompile("^"+pattern+"$").MatchString(strings.TrimSpace(string(out))) {
			t.Errorf("%s: %v; it prints\n%s\nand the page shows\n%s", line, err, out, want)
		}
	}
}
