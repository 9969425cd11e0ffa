//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What the command keeps of what others say is for its owner only, whatever the
// umask is, and also where a file that others can read is overwritten.
//
// Verifies: RECORD-01
func TestRecordingsArePrivate(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	device := startInside(t, true, "serve", "line://127.0.0.1:0", "--echo")
	toml := filepath.Join(t.TempDir(), "speaker.toml")
	if err := os.WriteFile(toml, []byte("greeting = [\"hello\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	speaker := startInside(t, true, "serve", "line://127.0.0.1:0", "--replies", toml)
	for _, c := range []struct {
		name   string
		before string   // a file that others can read already
		args   []string // DIR is an empty folder, URL the device's, ADDR its address
		files  []string
	}{
		{"tap --record", "", []string{"tap", "line://127.0.0.1:0", "ADDR", "-n", "1", "--record", "DIR/s.jsonl"}, []string{"s.jsonl"}},
		{"tap --record --force", "s.jsonl", []string{"tap", "line://127.0.0.1:0", "ADDR", "-n", "1", "--record", "DIR/s.jsonl", "--force"}, []string{"s.jsonl"}},
		{"tap --pcapng", "", []string{"tap", "line://127.0.0.1:0", "ADDR", "-n", "1", "--pcapng", "DIR/s.pcapng"}, []string{"s.pcapng"}},
		{"tap --pcapng --force", "s.pcapng", []string{"tap", "line://127.0.0.1:0", "ADDR", "-n", "1", "--pcapng", "DIR/s.pcapng", "--force"}, []string{"s.pcapng"}},
		{"tap --dump", "", []string{"tap", "line://127.0.0.1:0", "ADDR", "-n", "1", "--dump", "DIR/kept"}, []string{"kept/000001.bin", "kept/000002.bin"}},
		{"tap --store", "", []string{"tap", "line://127.0.0.1:0", "ADDR", "-n", "1", "--store", "DIR/s.db"}, []string{"s.db"}},
		{"send --dump", "000001.bin", []string{"send", "URL", "x", "-n", "1", "--dump", "DIR"}, []string{"000001.bin"}},
		{"ask --dump", "", []string{"ask", "URL", "x", "--dump", "DIR/kept"}, []string{"kept/000001.bin"}},
		{"connect --dump", "", []string{"connect", "URL", "--preamble", "x", "-n", "1", "--dump", "DIR/kept"}, []string{"kept/000001.bin"}},
		{"record --store", "", []string{"record", "SPEAKER", "-n", "1", "--store", "DIR/s.db"}, []string{"s.db"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.before != "" {
				if err := os.WriteFile(filepath.Join(dir, c.before), []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var args []string
			for _, arg := range c.args {
				args = append(args, strings.NewReplacer("DIR", dir, "SPEAKER", speaker.url, "URL", device.url, "ADDR", device.addr()).Replace(arg))
			}
			r := startInside(t, args[0] == "tap", args...)
			if args[0] == "tap" {
				startInside(t, false, "send", r.url, "x", "-n", "1").end(0)
			}
			r.end(0)
			var found []string
			filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil {
					t.Fatal(err)
				}
				st, err := e.Info()
				if err != nil {
					t.Fatal(err)
				}
				if path != dir && st.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s has mode %v", path, st.Mode())
				}
				if rel, _ := filepath.Rel(dir, path); st.Mode().IsRegular() {
					found = append(found, rel)
				}
				return nil
			})
			for _, want := range c.files {
				st, err := os.Stat(filepath.Join(dir, want))
				if err != nil {
					t.Fatalf("%v; there is %v", err, found)
				}
				if st.Mode().Perm() != 0o600 || st.Size() == 0 {
					t.Errorf("%s: %v, %d bytes", want, st.Mode(), st.Size())
				}
			}
		})
	}
}
