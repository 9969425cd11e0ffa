package interop

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-net/parley/internal/originals"
)

// peer is one of the original programs.
type peer struct {
	name    string
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
	folder  string // or folders, for PYTHONPATH; "" for what pip has installed
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
		{name: "oneline", module: "socket_oneline", pip: "socket-oneline==0.1.0", driver: "oneline"},
		{name: "tinyproto2", module: "tinyproto", pip: "tinyproto==2.0.1", driver: "tinyproto"},
		{name: "tinyproto3", driver: "tinyproto"},
		{name: "serpy", driver: "serpy"},
		{name: "serpy2", driver: "serpy2"},
		{name: "tpft", driver: "tpft"},
	}
	python := originals.Python()
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
	if path, err := originals.Path(p.name); err != nil {
		missing = append(missing, err.Error())
	} else {
		p.origins = append(p.origins, origin{name: p.name, driver: p.driver, python: python, folder: path})
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
