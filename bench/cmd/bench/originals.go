package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/parley-net/parley/internal/originals"
)

// original is one of the Python programs that parley takes the place of. They
// are found as the tests in interop find them: PARLEY_PYTHON names an
// interpreter that has them installed, PARLEY_PEERS a folder with their
// repositories.
type original struct {
	name   string
	folder string // as package originals knows it
	pip    bool   // may be installed
	module string
	wire   string
	script string // the first argument of peers/python/original.py
	bye    string // a client that leaves without it stops the server
}

var pythonPeers = []original{
	{"socket-oneline", "oneline", true, "socket_oneline", "line", "oneline", "disconnect\n"},
	{"tinyproto 2.0.1", "tinyproto2", true, "tinyproto", "tinyproto", "tinyproto", ""},
	{"tinyproto 3.0", "tinyproto3", false, "tinyproto", "tinyproto", "tinyproto", ""},
	{"serpy", "serpy", false, "serpy", "serpy", "serpy", ""},
	{"serpy2", "serpy2", false, "serpy2", "serpy2", "serpy2", ""},
}

func python() string { return originals.Python() }

// pythonPath gives the folder from which an original is imported; "" if it is
// installed.
func (o original) pythonPath() string {
	path, _ := originals.Path(o.folder)
	return path
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
