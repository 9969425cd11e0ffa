package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseRequirements(t *testing.T) {
	got, err := parseRequirements("# Title\n\n| id | requirement |\n|---|:--|\n| AA-01 | one `0A` thing |\n|BB2-10|two|\ntext\n")
	want := []requirement{{"AA-01", "one `0A` thing"}, {"BB2-10", "two"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}

	for name, test := range map[string]struct{ markdown, want string }{
		"twice":         {"| AA-01 | one |\n| AA-01 | two |", "requirements.md:2: AA-01 stands already in line 1"},
		"bad id":        {"\n| AA01 | one |", "requirements.md:2:"},
		"lower case":    {"| aa-01 | one |", "requirements.md:1:"},
		"three columns": {"| AA-01 | one | two |", "requirements.md:1:"},
		"no text":       {"| AA-01 | |", "requirements.md:1:"},
		"nothing":       {"# Title\n", "no row"},
	} {
		if _, err := parseRequirements(test.markdown); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestParseTests(t *testing.T) {
	const src = `package p

// TestA does it.
//
// Verifies: AA-01, AA-02,AA-03
// Verifies: BB-01
func TestA(t *testing.T) {}

// Verifies: AA-01
func FuzzA(f *testing.F) {}

// Verifies: AA-04 AA-05
func ExampleA() {}

// TestB verifies nothing.
func TestB(t *testing.T) {}

const s = "// Verifies: AA-01"
`
	got, err := parseTests("p/a_test.go", []byte(src))
	want := []test{
		{name: "TestA", ids: []string{"AA-01", "AA-02", "AA-03", "BB-01"}, where: "p/a_test.go:7"},
		{name: "FuzzA", ids: []string{"AA-01"}, where: "p/a_test.go:10"},
		{name: "ExampleA", ids: []string{"AA-04 AA-05"}, where: "p/a_test.go:13"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}

	for name, decl := range map[string]string{
		"detached": "// Verifies: AA-01\n\nfunc TestA(t *testing.T) {}",
		"helper":   "// Verifies: AA-01\nfunc helper(t *testing.T) {}",
		"no test":  "// Verifies: AA-01\nfunc Testify(t *testing.T) {}",
		"method":   "// Verifies: AA-01\nfunc (x T) TestA(t *testing.T) {}",
		"inside":   "func TestA(t *testing.T) {\n\t// Verifies: AA-01\n}",
	} {
		if got, err := parseTests("a_test.go", []byte("package p\n\n"+decl+"\n")); err == nil {
			t.Errorf("%s: got %v and no error", name, got)
		}
	}
}

// events turns lines "action package test" into the output of go test -json.
func events(lines ...string) io.Reader {
	var b strings.Builder
	for _, line := range lines {
		f := strings.SplitN(line, " ", 3)
		fmt.Fprintf(&b, `{"Time":"2026-01-02T15:04:05Z","Action":%q,"Package":%q,"Test":%q}`+"\n", f[0], f[1], strings.Join(f[2:], ""))
	}
	return strings.NewReader(b.String())
}

func TestParseResults(t *testing.T) {
	got, err := parseResults(events(
		"run p TestPass", "output p TestPass", "pass p TestPass",
		"fail p TestFail",
		"skip p TestSkip",
		"run p TestHangs",
		"skip p TestAllSkip/a", "skip p TestAllSkip/b", "pass p TestAllSkip",
		"skip p TestSomeSkip/a", "pass p TestSomeSkip/b", "pass p TestSomeSkip",
		"skip p TestDeep/a/x", "pass p TestDeep/a", "pass p TestDeep",
		"pass p TestSlash/a/b", "pass p TestSlash",
		"skip p TestTwice", "pass p TestTwice",
		"pass p TestFlaky", "fail p TestFlaky",
		"pass q TestFail",
		"pass p", "fail q",
	), io.Discard)
	want := map[testID]outcome{
		{"p", "TestPass"}: passed, {"p", "TestFail"}: failed, {"p", "TestSkip"}: skipped,
		{"p", "TestAllSkip"}: skipped, {"p", "TestSomeSkip"}: passed, {"p", "TestDeep"}: skipped,
		{"p", "TestSlash"}: passed, {"p", "TestTwice"}: passed, {"p", "TestFlaky"}: failed,
		{"q", "TestFail"}: passed,
		{"p", ""}:         passed, {"q", ""}: failed, // the packages themselves
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}

	if _, err := parseResults(strings.NewReader("ok  p  0.1s\n"), io.Discard); err == nil {
		t.Error("plain go test output was taken for JSON")
	}
}

func TestMatrix(t *testing.T) {
	requirements := []requirement{{"AA-01", "one"}, {"AA-02", "two"}, {"AA-03", "three"}, {"AA-04", "four"}, {"AA-100", "five"}}
	tests := []test{
		{pkg: "m/p", label: "p.TestA", name: "TestA", ids: []string{"AA-01", "AA-02"}, where: "p/a_test.go:3"},
		{pkg: "m/p", label: "p.TestB", name: "TestB", ids: []string{"AA-02", "AA-07"}, where: "p/a_test.go:9"},
		{pkg: "m/p", label: "p.TestC", name: "TestC", ids: []string{"AA-01", "AA-03"}, where: "p/a_test.go:12"},
		{pkg: "m/p", label: "p.TestD", name: "TestD", ids: []string{"AA-04"}, where: "p/a_test.go:15"},
	}
	m, err := join(requirements, tests, map[testID]outcome{{"m/p", "TestA"}: passed, {"m/p", "TestB"}: failed, {"m/p", "TestC"}: skipped})
	if want := `p/a_test.go:9: TestB verifies "AA-07", which docs/requirements.md does not list`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}

	var text bytes.Buffer
	if err := m.writeText(&text); err != nil {
		t.Fatal(err)
	}
	const wantText = `AA-01   pass     one
        pass       p.TestA
        skip       p.TestC
AA-02   FAIL     two
        pass       p.TestA
        FAIL       p.TestB
AA-03   skip     three
        skip       p.TestC
AA-04   not run  four
        not run    p.TestD
AA-100  no test  five

5 requirements: 1 verified, 1 failing, 3 without a passing test
`
	if text.String() != wantText {
		t.Errorf("text:\n%s\nwant:\n%s", &text, wantText)
	}

	const wantTable = `
| id | requirement | tests | result |
|---|---|---|---|
| AA-01 | one | ` + "`p.TestA`<br>`p.TestC` (skip)" + ` | pass |
| AA-02 | two | ` + "`p.TestA`<br>`p.TestB` (FAIL)" + ` | FAIL |
`
	if table := string(m.markdown()); !strings.Contains(table, wantTable) {
		t.Errorf("markdown:\n%s\nwant it to contain:\n%s", table, wantTable)
	}

	if err := m.check(); err == nil || err.Error() != "4 of 5 requirements are not verified" {
		t.Errorf("check of a bad matrix: %v", err)
	}
	if err := m[:1].check(); err != nil {
		t.Errorf("check of a good matrix: %v", err)
	}
}

// TestRun traces two modules that go.work joins, with the go command and with
// the results of an earlier run. A third one beside them is none of its business.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":               "module example.org/m\n\ngo 1.26\n",
		"go.work":              "go 1.26\n\nuse (\n\t.\n\t./cmd/own\n)\n",
		"docs/requirements.md": "| id | requirement |\n|---|---|\n| AA-01 | one |\n| AA-02 | two |\n| AA-03 | three |\n",
		"cmd/own/go.mod":       "module example.org/own\n\ngo 1.26\n",
		"cmd/own/in/i_test.go": "package in\n\nimport \"testing\"\n\n// Verifies: AA-03\nfunc TestOwn(t *testing.T) {}\n",
		"root_test.go":         "package m\n\nimport \"testing\"\n\n// Verifies: AA-01\nfunc TestRoot(t *testing.T) {}\n",
		"sub/sub_test.go":      "package sub_test\n\nimport \"testing\"\n\n// Verifies: AA-02\nfunc TestSub(t *testing.T) {}\n\nfunc TestOther(t *testing.T) { t.Error() }\n",
		"testdata/x_test.go":   "package x\n\n// Verifies: ZZ-99\nfunc TestX() {}\n",
		"other/go.mod":         "module example.org/other\n",
		"other/o_test.go":      "package o\n\n// Verifies: ZZ-99\nfunc TestO() {}\n",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}

	var stdout, stderr bytes.Buffer
	table := filepath.Join(dir, "trace.md")
	if err := run([]string{"-C", dir, "-o", table}, nil, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"pass       m.TestRoot\n", "pass       sub.TestSub\n", "pass       cmd/own/in.TestOwn\n", "3 requirements: 3 verified"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, &stdout)
		}
	}
	if b, err := os.ReadFile(table); err != nil || !strings.Contains(string(b), "| AA-02 | two | `sub.TestSub` | pass |") {
		t.Errorf("%s: %v\n%s", table, err, b)
	}

	stdout.Reset()
	err := run([]string{"-C", dir, "-results", "-"}, events("pass example.org/m TestRoot", "skip example.org/m/sub TestSub", "pass example.org/own/in TestOwn"), &stdout, &stderr)
	if err == nil || err.Error() != "1 of 3 requirements are not verified" {
		t.Errorf("with a skipped test: %v\n%s", err, &stdout)
	}

	broken := filepath.Join(dir, "sub", "sub_test.go")
	if err := os.WriteFile(broken, []byte("package sub_test\n\nimport \"testing\"\n\n// Verifies: AA-02\nfunc TestSub(t *testing.T) { undefined() }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	stderr.Reset()
	if err := run([]string{"-C", dir}, nil, &stdout, &stderr); err == nil || !strings.Contains(stderr.String(), "undefined") {
		t.Errorf("with a package that does not compile: %v, log %q", err, &stderr)
	}
}
