package transfer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// isInside is the judgement of the standard library.
func isInside(p string) bool { return filepath.IsLocal(p) }

// Verifies: TPFT-07
func TestPaths(t *testing.T) {
	both := map[string]string{
		"":                        "no such file or directory",
		".":                       "is a directory",
		"./":                      "is a directory",
		"a/":                      "is a directory",
		"a/.":                     "is a directory",
		"..":                      `".." is not served`,
		"../x":                    `".." is not served`,
		"a/../../x":               `".." is not served`,
		"a/../x":                  `".." is not served`,
		"a/..":                    `".." is not served`,
		"/":                       "absolute paths are not served",
		"/etc/passwd":             "absolute paths are not served",
		"//x":                     "absolute paths are not served",
		"a\x00b":                  `a path with a NUL character: 'a\x00b'`,
		"x.parley.part":           "incomplete files",
		"a/X.Parley.PART":         "incomplete files",
		strings.Repeat("a", 4097): "a path of 4097 bytes, at most 4096 are taken",
		"x":                       "",
		"./x":                     "",
		"a//b/./c":                "",
		"...":                     "",
		"..x/x..":                 "",
		"parley.part":             "",
		"dätei \xff\n":            "", // but see TestNamesOfNewFiles
	}
	unix := map[string]string{`a\..\b`: "", `C:x`: "", "CON": "", "a/nul.txt": "", "COM1": "", "x.parley.part.": "", `\x`: ""}
	windows := map[string]string{
		`\x`:              "absolute paths are not served",
		`C:x`:             "absolute paths are not served",
		`c:\x`:            "absolute paths are not served",
		`a\..\b`:          `no \ or :`,
		"dir/x:stream":    `no \ or :`,
		"x.parley.part. ": "incomplete files",
		"NUL":             "names of devices",
		"a/con":           "names of devices",
		"Aux.txt":         "names of devices",
		"prn .x/y":        "names of devices",
		"com1":            "names of devices",
		"LPT9.tar.gz":     "names of devices",
		"COM³":            "names of devices",
		"CONIN$":          "names of devices",
		"com":             "",
		"com10":           "",
		"console":         "",
		"nul_":            "",
	}
	for windowsRules, table := range map[bool]map[string]string{false: unix, true: windows} {
		for _, rows := range []map[string]string{both, table} {
			for p, want := range rows {
				err := checkPath(p, windowsRules)
				if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("windows=%v: %q: %v, want %q", windowsRules, p, err, want)
				}
			}
		}
	}
	for p, want := range map[string]string{"./a//b/./c": "a/b/c", "x": "x"} {
		if got, err := cleanPath(p); got != want || err != nil {
			t.Errorf("%q: %q, %v", p, got, err)
		}
	}
}

func TestReasons(t *testing.T) {
	for want, err := range map[string]error{
		"[Errno 2] No such file or directory: 'x'":               &fs.PathError{Err: syscall.ENOENT},
		"[Errno 21] Is a directory: 'x'":                         syscall.EISDIR,
		"[Errno 30] Read-only file system: 'x'":                  syscall.EROFS,
		"path escapes from parent: 'x'":                          &fs.PathError{Path: "/secret/place", Err: errors.New("path escapes from parent")},
		"a reason":                                               refusal("a reason"),
		"another transfer is writing this file; try again later": ErrBusy,
	} {
		if got := reason(err, "x"); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"x":                         `'x'`,
		"it's":                      `"it's"`,
		`it's "it"`:                 `'it\'s "it"'`,
		"a\\b\n\r\t\x00\x7f":        `'a\\b\n\r\t\x00\x7f'`,
		"ä\u00a0€\u200b😀\U000e0001": `'ä\xa0€\u200b😀\U000e0001'`,
		"\xff":                      `'\udcff'`,
	} {
		if got := quote(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// Verifies: TPFT-21
func TestNamesOfNewFiles(t *testing.T) {
	for _, name := range []string{"a\nb", "a\r", "\tx", "\x1b[2J", "x\x07", "\x7f", "d\b/x", "x\u0085", "x\u009b2J", "x\u2028y", "\u2029", "gpj.\u202eexe", "\u202d", "\u2066x\u2069"} {
		want := "control characters in the name of a new file: " + quote(name)
		if err := checkNew(name); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
	for _, name := range []string{"x", "d/x y", "dätei", "文件", "👩\u200d🔬.png", "\xff\xe4", "שלום\u200f", "'\"$`\\"} {
		if err := checkNew(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	ts := serve(t, parley.Limits{}, nil)
	cl := ts.dial(t)
	var rejected *RejectedError
	err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "a\x1b[2Jb")
	if !errors.As(err, &rejected) || rejected.Reason != `control characters in the name of a new file: 'a\x1b[2Jb'` {
		t.Error(err)
	}
	tree(t, ts.dir)
	// One that is there already can be had.
	if err := os.WriteFile(ts.path("a\nb"), []byte("x"), 0o644); err != nil {
		t.Skip("no such names here: ", err)
	}
	if err := cl.Download(soon(t), "a\nb", filepath.Join(t.TempDir(), "x")); err != nil {
		t.Error(err)
	}
}

func TestRejectedErrorIsPrintable(t *testing.T) {
	err := &RejectedError{Transfer: Transfer{Path: "x\x1b[2J", Upload: true}, Reason: "no\x1b[2J\nway\u202e"}
	if want := `transfer: upload of "x\x1b[2J" rejected: no[2Jway`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// However long a server's reason is, little of it is printed.
func TestRejectedErrorIsShort(t *testing.T) {
	err := &RejectedError{Transfer: Transfer{Path: "x"}, Reason: strings.Repeat("no\a", 30_000)}
	if got := err.Error(); len(got) > 8<<10 || !strings.HasSuffix(got, " bytes more)") || strings.Contains(got, "\a") {
		t.Errorf("%d bytes: …%s", len(got), got[max(0, len(got)-100):])
	}
	short := &RejectedError{Transfer: Transfer{Path: "x"}, Reason: reason(os.ErrNotExist, strings.Repeat("x", maxPath))}
	if strings.Contains(short.Error(), "more)") {
		t.Error("a reason of ours is cut")
	}
}
