package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The banner of a device is for people, and its answers are what is printed.
//
// Verifies: CARRY-05
func TestBannerIsShown(t *testing.T) {
	toml := filepath.Join(t.TempDir(), "shell.toml")
	const text = "greeting = [\"Welcome\\u001b[31m\"]\nprompt = \"> \"\necho = true\n[[reply]]\nrequest = \"ls\"\nresponse = [\"a\", \"b\"]\n"
	if err := os.WriteFile(toml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := startInside(t, true, "serve", "line://127.0.0.1:0", "--replies", toml)
	for _, args := range [][]string{
		{"connect", srv.url + "?prompt=>%20&echo=1", "--preamble", "ls", "--count", "1"},
		{"connect", srv.url + "?skip=1&prompt=>%20&echo=1", "--preamble", "ls", "--count", "1"},
		{"ask", srv.url + "?prompt=>%20&echo=1", "ls"},
		{"send", srv.url + "?prompt=>%20&echo=1", "ls"},
	} {
		r := startInside(t, false, args...)
		r.end(0)
		if got := r.stdout.String(); got != "a\nb\n" {
			t.Errorf("%v printed %q", args, got)
		}
		want := ""
		if args[0] == "connect" {
			want = "Welcome\\x1b[31m\n"
		}
		if got := r.stderr.String(); got != want {
			t.Errorf("%v told %q, want %q", args, got, want)
		}
	}
}
