// Package originals finds the original Python programs for tests and
// measurements. PARLEY_PEERS names a folder with their repositories, as git
// clones them, whatever these are called; PARLEY_PYTHON the interpreter that
// runs them.
package originals

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// original is one of the programs.
type original struct {
	name    string
	folders []string // where its repository is looked for first in PARLEY_PEERS
	module  string   // a file that only this one has, from where Python imports
	needs   string   // another one that it imports
}

var all = []original{
	{name: "oneline", folders: []string{"oneline", "socket-oneline"}, module: "socket_oneline/__init__.py"},
	{name: "tinyproto2", folders: []string{"tinyproto2", "tinyproto"}, module: "tinyproto/tinyproto.py"},
	{name: "tinyproto3", folders: []string{"tinyproto3", "tinyproto"}, module: "tinyproto/connection_details.py"},
	{name: "serpy", folders: []string{"serpy"}, module: "serpy/serpy.py"},
	{name: "serpy2", folders: []string{"serpy"}, module: "serpy2/serpy2.py"},
	{name: "tpft", folders: []string{"tpft"}, module: "tpft.py", needs: "tinyproto3"},
}

// home returns the folder of the named original's repository, and where in it
// Python imports from.
func home(name string) (repository, imports string, err error) {
	root := os.Getenv("PARLEY_PEERS")
	if root == "" {
		return "", "", fmt.Errorf("PARLEY_PEERS is not set: it names the folder with the original Python programs")
	}
	i := slices.IndexFunc(all, func(o original) bool { return o.name == name })
	if i < 0 {
		return "", "", fmt.Errorf("there is no original named %q", name)
	}
	folders := all[i].folders
	entries, err := os.ReadDir(root)
	if err != nil {
		return "", "", fmt.Errorf("PARLEY_PEERS: %w", err)
	}
	for _, e := range entries {
		folders = append(folders[:len(folders):len(folders)], e.Name())
	}
	for _, folder := range folders {
		repository := filepath.Join(root, folder)
		for _, imports := range []string{repository, filepath.Join(repository, "src")} {
			if _, err := os.Stat(filepath.Join(imports, filepath.FromSlash(all[i].module))); err == nil {
				return repository, imports, nil
			}
		}
	}
	return "", "", fmt.Errorf("PARLEY_PEERS has no %s/%s, and no other folder with %s in it", all[i].folders[0], all[i].module, all[i].module)
}

// Path returns what PYTHONPATH must have so that Python imports the named
// originals. An error says what is missing.
func Path(names ...string) (string, error) {
	var path []string
	for _, name := range names {
		_, imports, err := home(name)
		if err != nil {
			return "", err
		}
		path = append(path, imports)
		needs := all[slices.IndexFunc(all, func(o original) bool { return o.name == name })].needs
		if _, err := os.Stat(filepath.Join(imports, strings.TrimRight(needs, "0123456789"))); needs != "" && err != nil {
			more, err := Path(needs)
			if err != nil {
				return "", fmt.Errorf("%s needs %s: %w", name, needs, err)
			}
			path = append(path, more)
		}
	}
	return strings.Join(path, string(os.PathListSeparator)), nil
}

// File returns where a file of an original's repository lies, for instance
// serpy/examples/simpleChat.py.
func File(name string) (string, error) {
	original, rest, _ := strings.Cut(name, "/")
	repository, _, err := home(original)
	if err != nil {
		return "", err
	}
	path := filepath.Join(repository, filepath.FromSlash(rest))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("PARLEY_PEERS has no %s: %w", name, err)
	}
	return path, nil
}

// Python returns the interpreter: PARLEY_PYTHON, or that of a virtual
// environment named venv beside the originals, or python3.
func Python() string {
	if python := os.Getenv("PARLEY_PYTHON"); python != "" {
		return python
	}
	if root := os.Getenv("PARLEY_PEERS"); root != "" {
		venv := filepath.Join(root, "venv", "bin", "python3")
		if _, err := os.Stat(venv); err == nil {
			return venv
		}
	}
	return "python3"
}
