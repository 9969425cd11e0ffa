package parley_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// majorVersion ends a module's path.
var majorVersion = regexp.MustCompile(`/v\d+$`)

// Whoever imports the library gets golang.org/x/sys with it and nothing else,
// and every module here can be installed from: none has a replace, and those
// that require another one agree on its version. What is not ours has a row in
// ARCHITECTURE.md.
//
// Verifies: RUNTIME-51
func TestModules(t *testing.T) {
	const library = "github.com/parley-net/parley"
	type goMod struct {
		Module  struct{ Path string }
		Require []struct {
			Path, Version string
			Indirect      bool
		}
		Replace, Exclude []struct{}
	}
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, dependencies, _ := strings.Cut(string(text), "\n## Dependencies\n")
	mods := make(map[string]goMod)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "go.mod" {
			return err
		}
		b, err := exec.Command("go", "mod", "edit", "-json", path).Output()
		if err != nil {
			return err
		}
		var m goMod
		err = json.Unmarshal(b, &m)
		mods[m.Module.Path] = m
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := mods[library].Require; len(r) != 1 || r[0].Path != "golang.org/x/sys" {
		t.Errorf("the library requires %v, want golang.org/x/sys and nothing else", r)
	}
	b, err := exec.Command("go", "work", "edit", "-json", "go.work").Output()
	if err != nil {
		t.Fatal(err)
	}
	var work struct{ Use []struct{} }
	if err := json.Unmarshal(b, &work); err != nil || len(work.Use) != len(mods) {
		t.Errorf("go.work uses %d of %d modules, %v: the others are not built, tested or released", len(work.Use), len(mods), err)
	}
	version := ""
	for path, m := range mods {
		if len(m.Replace)+len(m.Exclude) > 0 {
			t.Errorf("%s has replace or exclude: nobody could install from it", path)
		}
		for _, r := range m.Require {
			if _, ours := mods[r.Path]; !ours {
				if name := majorVersion.ReplaceAllString(r.Path, ""); !r.Indirect && !strings.Contains(dependencies, name) {
					t.Errorf("%s requires %s, which ARCHITECTURE.md's table of dependencies does not have", path, name)
				}
				continue
			}
			if version == "" {
				version = r.Version
			}
			if r.Version != version {
				t.Errorf("%s requires %s %s, another module %s", path, r.Path, r.Version, version)
			}
		}
	}
	if version == "" || len(mods) < 4 {
		t.Errorf("%d modules that require %q of each other: too few", len(mods), version)
	}
}
