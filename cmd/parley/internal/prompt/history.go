package prompt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
)

// History is the lines that can be recalled, in a file with one on each line.
// Several programs may use the same file: each sees the lines of the others
// when it starts. Only a Prompt's ReadLine uses it.
type History struct {
	path  string
	lines []string // the newest last
	err   error
}

// maxHistory is how many lines are kept.
const maxHistory = 1000

// OpenHistory reads the history in a file, which need not exist. Where the
// file has grown to twice what is kept, it is shortened.
func OpenHistory(path string) (*History, error) {
	h := &History{path: path}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if printable(line) {
			h.remember(line)
		}
	}
	if strings.Count(string(b), "\n") > 2*maxHistory {
		err := h.rewrite()
		return h, err
	}
	return h, os.MkdirAll(filepath.Dir(path), 0o700)
}

// rewrite replaces the file by one with the lines that are kept.
func (h *History) rewrite() error {
	part := h.path + ".part"
	if err := os.WriteFile(part, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(part, h.path)
}

func (h *History) remember(line string) {
	h.lines = append(h.lines, line)
	if n := len(h.lines) - maxHistory; n > 0 {
		h.lines = h.lines[n:]
	}
}

// Add keeps a line, unless it is empty, begins with a space or is the same as
// the one before.
func (h *History) Add(line string) {
	switch {
	case line == "", line[0] == ' ', !printable(line), len(h.lines) > 0 && line == h.At(0):
		return
	}
	h.remember(line)
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, line)
		err = errors.Join(err, f.Close())
	}
	if h.err == nil {
		h.err = err
	}
}

// Len returns how many lines can be recalled.
func (h *History) Len() int { return len(h.lines) }

// At returns the line before the last i.
func (h *History) At(i int) string { return h.lines[len(h.lines)-1-i] }

// Err returns the first error of writing the file.
func (h *History) Err() error { return h.err }

func printable(line string) bool {
	return !strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) })
}

// StateDir returns the folder for what programs of this user remember:
// XDG_STATE_HOME, or what stands for it on this system.
func StateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if runtime.GOOS == "windows" {
		return os.UserCacheDir() // %LocalAppData%
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state"), err
}
