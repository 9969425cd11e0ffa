package parley_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quotedWord = regexp.MustCompile("`([^`\n]+)`")
	fileName   = regexp.MustCompile(`^[\w./*-]+\.(go|s|md|yml|lua)$`)
	folderName = regexp.MustCompile(`^[a-z.][\w.-]*/[\w./-]*$`)
	testName   = regexp.MustCompile(`^Test[A-Z]\w*$`)
)

// The files, folders and tests that ARCHITECTURE.md names are there. A file's name alone
// is that of one in any folder.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	files, tests := make(map[string]bool), make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[filepath.Base(file)] = true
		if strings.HasSuffix(file, "_test.go") {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, m := range declared.FindAllSubmatch(b, -1) {
				tests[string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	there := func(name string) bool {
		found, err := filepath.Glob(name)
		return err == nil && len(found) > 0
	}
	for _, m := range quotedWord.FindAllStringSubmatch(string(text), -1) {
		for _, word := range strings.Fields(m[1]) {
			switch n++; {
			case testName.MatchString(word):
				if !tests[word] {
					t.Errorf("there is no %s", word)
				}
			case fileName.MatchString(word) && strings.Contains(word, "/"), folderName.MatchString(word):
				if !there(word) && !there(filepath.Join("cmd/parley/internal", word)) {
					t.Errorf("there is no %s", word)
				}
			case fileName.MatchString(word) && !strings.Contains(word, "*"):
				if !files[word] {
					t.Errorf("there is no file %s", word)
				}
			default:
				n--
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d names were found", n)
	}
}
