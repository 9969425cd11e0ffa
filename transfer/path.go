package transfer

import (
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unicode"
)

// maxPath is the longest path in bytes that is looked at.
const maxPath = 4096

// cleanPath turns the path of a request into a name inside the served folder.
// It is strict about what it lets through; that nothing leads out of the
// folder is os.Root's guarantee, not this function's.
func cleanPath(p string) (string, error) {
	if err := checkPath(p, runtime.GOOS == "windows"); err != nil {
		return "", err
	}
	return path.Clean(p), nil
}

func checkPath(p string, windows bool) error {
	switch {
	case p == "":
		return syscall.ENOENT
	case len(p) > maxPath:
		return refusef("a path of %d bytes, at most %d are taken", len(p), maxPath)
	case strings.ContainsRune(p, 0):
		return refusef("a path with a NUL character: %s", quote(p))
	case p[0] == '/', windows && (p[0] == '\\' || len(p) > 1 && p[1] == ':'):
		return refusef("absolute paths are not served, give one inside the served folder: %s", quote(p))
	case windows && strings.ContainsAny(p, `\:`):
		return refusef(`on this server paths have / between their parts and no \ or : in them: %s`, quote(p))
	case windows && slices.ContainsFunc(strings.Split(p, "/"), isDevice):
		return refusef("names of devices are not served: %s", quote(p))
	case slices.Contains(strings.Split(p, "/"), ".."):
		return refusef(`".." is not served, give a path inside the served folder: %s`, quote(p))
	case p == ".", strings.HasSuffix(p, "/"), strings.HasSuffix(p, "/."):
		return syscall.EISDIR
	}
	name := path.Base(p)
	if windows {
		name = strings.TrimRight(name, ". ") // which that system ignores
	}
	if hasSuffixFold(name, PartSuffix) {
		return refusef("names with %s are those of incomplete files: %s", PartSuffix, quote(p))
	}
	return nil
}

// checkNew refuses the path of a file that is to be made if a character of it
// has an effect where names are printed.
func checkNew(p string) error {
	if strings.ContainsFunc(p, isControl) {
		return refusef("control characters in the name of a new file: %s", quote(p))
	}
	return nil
}

// isControl reports whether a character moves the cursor, ends a line, or changes
// the direction of the text around it.
func isControl(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// isDevice reports whether Windows takes the name of a file for a device, in
// any case and whatever comes behind a dot or a space.
func isDevice(name string) bool {
	if i := strings.IndexAny(name, ". "); i >= 0 {
		name = name[:i]
	}
	name = strings.ToUpper(name)
	switch name {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	rest, com := strings.CutPrefix(name, "COM")
	if !com {
		rest, com = strings.CutPrefix(name, "LPT")
	}
	return com && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, rest)
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
