package prompt

import (
	"os"
	"path/filepath"
	"strings"
)

// common returns what all the strings begin with, "" if there are none.
func common(all []string) string {
	if len(all) == 0 {
		return ""
	}
	longest := []rune(all[0])
	for _, s := range all[1:] {
		n := 0
		for _, r := range s {
			if n == len(longest) || r != longest[n] {
				break
			}
			n++
		}
		longest = longest[:n]
	}
	return string(longest)
}

// columns lists the choices for a line that begins with begun, without what
// they repeat of it up to its last word.
func columns(choices []string, begun string) []byte {
	word := strings.LastIndexAny(begun, " /\\") + 1
	if word == 1 {
		word = 0 // the / of a command belongs to it
	}
	var b []byte
	width := 0
	for i, c := range choices {
		c = c[word:]
		width += 2 + len(c)
		switch {
		case i == 0:
		case width > 78:
			b = append(b, '\n')
			width = len(c)
		default:
			b = append(b, "  "...)
		}
		b = append(b, c...)
	}
	return append(b, '\n')
}

// Files returns the files and folders whose path begins with begun; folders
// end with a separator.
func Files(begun string) []string {
	dir, name := filepath.Split(begun)
	list, err := os.ReadDir(filepath.Join(dir, "."))
	if err != nil {
		return nil
	}
	var found []string
	for _, f := range list {
		hidden := name == "" && strings.HasPrefix(f.Name(), ".")
		if !strings.HasPrefix(f.Name(), name) || hidden || !printable(f.Name()) {
			continue
		}
		path := dir + f.Name()
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path += string(filepath.Separator)
		}
		found = append(found, path)
	}
	return found
}
