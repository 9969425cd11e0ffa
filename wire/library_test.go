package wire_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The library needs nothing but the standard library and golang.org/x/sys,
// directly or through what it imports, on any system.
//
// Verifies: RUNTIME-51
func TestLibraryImportsTheStandardLibrary(t *testing.T) {
	const module = "github.com/parley-net/parley"
	packages := []string{".", "./wire/...", "./oneline", "./tinyproto", "./serpy/...", "./serpy2", "./line", "./frame", "./transfer", "./parleytest",
		"./plugin/seal", "./plugin/checksum", "./recording"}
	for _, system := range []string{"linux/amd64", "linux/386", "darwin/arm64", "windows/amd64"} {
		cmd := exec.Command("go", append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, packages...)...)
		cmd.Dir = ".."
		goos, goarch, _ := strings.Cut(system, "/")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < len(packages) {
			t.Fatalf("%s: only %q", system, deps)
		}
		for _, dep := range deps {
			if dep != module && !strings.HasPrefix(dep, module+"/") && !strings.HasPrefix(dep, "golang.org/x/sys/") {
				t.Errorf("%s: the library depends on %s", system, dep)
			}
		}
	}
}
