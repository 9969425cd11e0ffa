package parley_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// generated is what a file of a generator says of itself; see go help generate.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// A Go file of any module, tests included, has one subject, and at most 400 lines.
func TestFilesAreShort(t *testing.T) {
	const most = 400
	files := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(file, ".go"):
			return nil
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files++
		if n := bytes.Count(b, []byte("\n")); n > most && !generated.Match(b) {
			t.Errorf("%s has %d lines: part it by subject, at most %d each", file, n, most)
		}
		return nil
	})
	if err != nil || files < 500 {
		t.Errorf("%d files, %v", files, err)
	}
}
