package examples_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
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
	for _, path := range []string{"context", "log", "math", "os", "time"} {
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
