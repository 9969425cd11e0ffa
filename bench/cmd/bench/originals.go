package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// original is one of the Python programs that parley takes the place of. They
// are found as the tests in interop find them: PARLEY_PYTHON names an
// interpreter that has them installed, PARLEY_PEERS a folder with their
// sources.
type original struct {
	name   string
	folder string // in PARLEY_PEERS
	pip    bool   // may be installed
	module string
	wire   string
	script string // the first argument of peers/python/original.py
	bye    string // a client that leaves without it stops the server
}

var originals = []original{
	{"socket-oneline", "oneline", true, "socket_oneline", "line", "oneline", "disconnect\n"},
	{"tinyproto 2.0.1", "tinyproto2", true, "tinyproto", "tinyproto", "tinyproto", ""},
	{"tinyproto 3.0", "tinyproto3", false, "tinyproto", "tinyproto", "tinyproto", ""},
	{"serpy", "serpy", false, "serpy", "serpy", "serpy", ""},
	{"serpy2", "serpy", false, "serpy2", "serpy2", "serpy2", ""},
}

func python() string {
	if p := os.Getenv("PARLEY_PYTHON"); p != "" {
		return p
	}
	return "python3"
}

// pythonPath gives the folder from which an original is imported; "" if it is
// installed.
func (o original) pythonPath() string {
	root := os.Getenv("PARLEY_PEERS")
	if root == "" {
		return ""
	}
	dir := filepath.Join(root, o.folder)
	if _, err := os.Stat(filepath.Join(dir, o.module)); err != nil {
		return ""
	}
	return dir
}

// find tells what an original lacks.
func (o original) find(ctx context.Context) error {
	if o.pythonPath() != "" {
		return nil
	}
	if !o.pip {
		return fmt.Errorf("PARLEY_PEERS names no folder with %s/%s", o.folder, o.module)
	}
	out, err := exec.CommandContext(ctx, python(), "-c", "import "+o.module).CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("PARLEY_PYTHON: %w: %s", err, lines[len(lines)-1])
	}
	return nil
}
