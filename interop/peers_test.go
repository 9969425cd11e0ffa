package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// peer is one of the original programs.
type peer struct {
	name    string
	folder  string // in PARLEY_PEERS
	module  string // what Python imports
	pip     string // what pip calls it; "" if it is on no index
	driver  string // in peers, without its ending
	origins []origin
	missing string // why there is no origin
}

// origin is one installation of a peer.
type origin struct {
	name    string // of the peer
	driver  string
	python  string
	folder  string // for PYTHONPATH; "" for what pip has installed
	version string // of what pip has installed
}

func (o origin) String() string {
	if o.folder == "" {
		return "pip " + o.version + ", " + o.python
	}
	return o.folder + ", " + o.python
}

// peers looks for the originals, once.
var peers = sync.OnceValue(func() []peer {
	all := []peer{
		{name: "oneline", folder: "oneline", module: "socket_oneline", pip: "socket-oneline==0.1.0", driver: "oneline"},
		{name: "tinyproto2", folder: "tinyproto2", module: "tinyproto", pip: "tinyproto==2.0.1", driver: "tinyproto"},
		{name: "tinyproto3", folder: "tinyproto3", module: "tinyproto", driver: "tinyproto"},
		{name: "serpy", folder: "serpy", module: "serpy", driver: "serpy"},
		{name: "serpy2", folder: "serpy", module: "serpy2", driver: "serpy2"},
		{name: "tpft", folder: "tpft", module: "tpft.py", driver: "tpft"},
	}
	python := os.Getenv("PARLEY_PYTHON")
	if python == "" {
		python = "python3"
	}
	_, err := exec.LookPath(python)
	for i := range all {
		if err != nil {
			all[i].missing = fmt.Sprintf("there is no Python interpreter, PARLEY_PYTHON can name one: %v", err)
			continue
		}
		all[i].find(python)
	}
	return all
})

// find looks for p in PARLEY_PEERS and among what pip has installed.
func (p *peer) find(python string) {
	var missing []string
	if root := os.Getenv("PARLEY_PEERS"); root == "" {
		missing = append(missing, "PARLEY_PEERS is not set")
	} else {
		folder := filepath.Join(root, p.folder)
		if _, err := os.Stat(filepath.Join(folder, p.module)); err != nil {
			missing = append(missing, fmt.Sprintf("PARLEY_PEERS has no %s: %v", p.folder, err))
		} else {
			p.origins = append(p.origins, origin{name: p.name, driver: p.driver, python: python, folder: folder})
		}
	}
	if p.pip != "" {
		distribution, _, _ := strings.Cut(p.pip, "==")
		probe := exec.Command(python, "-c", "import importlib.metadata as m, "+p.module+" as p; print(m.version('"+distribution+"'))")
		if version, err := probe.Output(); err != nil {
			missing = append(missing, fmt.Sprintf("%s has no %s, pip install %s", python, p.module, p.pip))
		} else {
			p.origins = append(p.origins, origin{name: p.name, driver: p.driver, python: python, version: distribution + " " + strings.TrimSpace(string(version))})
		}
	}
	p.missing = strings.Join(missing, "; ")
}

// each runs f with every installation of the named peers, as subtests that run
// in parallel. Without any the test is skipped.
func each(t *testing.T, f func(t *testing.T, o origin), names ...string) {
	t.Parallel()
	var missing []string
	for _, name := range names {
		p := peers()[slices.IndexFunc(peers(), func(p peer) bool { return p.name == name })]
		for _, o := range p.origins {
			label := name
			if o.folder == "" {
				label += "-pip"
			}
			t.Run(label, func(t *testing.T) {
				t.Parallel()
				f(t, o)
			})
		}
		if len(p.origins) == 0 {
			missing = append(missing, name+" left out: "+p.missing)
		}
	}
	if len(missing) == len(names) {
		t.Skip(strings.Join(missing, "\n"))
	}
	for _, m := range missing {
		t.Log(m)
	}
}
