package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// modules holds the path of each module by its folder, which is relative to
// the root and has slashes; that of the root is ".".
type modules map[string]string

// findModules returns the module in dir and those its go.work uses.
func findModules(dir string) (modules, error) {
	folders, err := workFolders(filepath.Join(dir, "go.work"))
	if err != nil {
		return nil, err
	}
	all := make(modules)
	for _, folder := range append(folders, ".") {
		all[folder], err = modulePath(filepath.Join(dir, filepath.FromSlash(folder), "go.mod"))
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// workFolders returns what a go.work file uses, nothing if there is no file.
func workFolders(gowork string) ([]string, error) {
	if _, err := os.Stat(gowork); os.IsNotExist(err) {
		return nil, nil
	}
	b, err := exec.Command("go", "work", "edit", "-json", gowork).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: go work edit: %w", gowork, err)
	}
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(b, &work); err != nil {
		return nil, fmt.Errorf("%s: %w", gowork, err)
	}
	var folders []string
	for _, use := range work.Use {
		folders = append(folders, path.Clean(use.DiskPath))
	}
	return folders, nil
}

// importPath returns the import path of the package in a folder.
func (m modules) importPath(folder string) string {
	for root := folder; ; root = path.Dir(root) {
		if module := m[root]; module != "" {
			if root == "." {
				return path.Join(module, folder)
			}
			return path.Join(module, strings.TrimPrefix(folder, root))
		}
	}
}

// skipDir returns fs.SkipDir for the folders the go command leaves out of
// ./... too.
func skipDir(root, dir string) error {
	if dir == root {
		return nil
	}
	name := filepath.Base(dir)
	if name[0] == '.' || name[0] == '_' || name == "testdata" || name == "vendor" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// modulePath returns the path a go.mod file declares.
func modulePath(gomod string) (string, error) {
	b, err := os.ReadFile(gomod)
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "module" {
			return strings.Trim(f[1], `"`), nil
		}
	}
	return "", fmt.Errorf("%s: no module line", gomod)
}
