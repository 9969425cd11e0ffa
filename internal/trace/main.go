// Trace joins the requirements with the tests that verify them.
//
//	go run ./internal/trace [-results FILE] [-o FILE]
//
// It reads docs/requirements.md, finds the tests whose doc comments say
//
//	// Verifies: ONELINE-04, ONELINE-05
//
// runs them, and prints for every requirement the tests that verify it and
// how they ended. It fails when a requirement has no passing test, when one of
// its tests fails, or when a test names an id that does not exist. A skipped
// test is not a passing test, nor is one all of whose subtests were skipped.
//
// With -results it runs nothing and reads the output of an earlier
// `go test -json` (- is the standard input). With -o it also writes the matrix
// as Markdown.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "trace:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("trace", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("C", ".", "the module's `directory`")
	results := flags.String("results", "", "read the output of go test -json from this `file` instead of running the tests; - is the standard input")
	out := flags.String("o", "", "also write the matrix as Markdown to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	text, err := os.ReadFile(filepath.Join(*dir, "docs", "requirements.md"))
	if err != nil {
		return err
	}
	requirements, err := parseRequirements(string(text))
	if err != nil {
		return err
	}
	tests, err := findTests(*dir)
	if err != nil {
		return err
	}
	events, err := testEvents(*dir, *results, tests, stdin, stderr)
	if err != nil {
		return err
	}
	outcomes, err := parseResults(events, stderr)
	if err != nil {
		return err
	}
	m, unknown := join(requirements, tests, outcomes)
	if err := m.writeText(stdout); err != nil {
		return err
	}
	if *out != "" {
		if err := os.WriteFile(*out, m.markdown(), 0o666); err != nil {
			return err
		}
	}
	return errors.Join(unknown, m.check())
}

// testEvents returns the output of go test -json: that of an earlier run, or
// that of the given tests, run now. That tests fail is no error here.
func testEvents(dir, results string, tests []test, stdin io.Reader, stderr io.Writer) (io.Reader, error) {
	switch {
	case results == "-":
		return stdin, nil
	case results != "":
		b, err := os.ReadFile(results)
		return bytes.NewReader(b), err
	case len(tests) == 0:
		return strings.NewReader(""), nil
	}
	names, packages := make(map[string]bool), make(map[string]bool)
	for _, t := range tests {
		names[t.name], packages[t.pkg] = true, true
	}
	args := []string{"test", "-json", "-timeout", "30m", "-run", "^(" + strings.Join(sorted(names), "|") + ")$"}
	cmd := exec.Command("go", append(args, sorted(packages)...)...)
	cmd.Dir = dir
	cmd.Stderr = stderr
	b, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	return bytes.NewReader(b), nil
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
