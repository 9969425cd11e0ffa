package originals

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lay makes empty files.
func lay(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		f = filepath.Join(root, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PARLEY_PEERS", root)
	return root
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		what  string
		files []string
		want  map[string]string // what Path returns, or a part of its error
	}{
		{"plain clones, by the repositories' names", []string{
			"socket-oneline/socket_oneline/__init__.py", "tinyproto/src/tinyproto/connection_details.py", "tinyproto/__init__.py",
			"serpy/serpy/serpy.py", "serpy/serpy2/serpy2.py", "tpft/tpft.py",
		}, map[string]string{
			"oneline": "socket-oneline", "tinyproto3": "tinyproto/src", "serpy": "serpy", "serpy2": "serpy",
			"tpft": "tpft:tinyproto/src", "tinyproto2": "!has no tinyproto2/", "nothing": "!no original",
		}},
		{"plain clones, by our names", []string{
			"oneline/socket_oneline/__init__.py", "tinyproto2/tinyproto/tinyproto.py", "tinyproto3/src/tinyproto/connection_details.py", "tpft/tpft.py",
		}, map[string]string{
			"oneline": "oneline", "tinyproto2": "tinyproto2", "tinyproto3": "tinyproto3/src", "tpft": "tpft:tinyproto3/src", "serpy": "!has no serpy",
		}},
		{"put together", []string{
			"tinyproto3/tinyproto/connection_details.py", "tpft/tpft.py", "tpft/tinyproto/connection_details.py",
		}, map[string]string{"tinyproto3": "tinyproto3", "tpft": "tpft"}},
		{"by other names", []string{
			"a-fork/src/tinyproto/connection_details.py", "tinyproto-2.0/tinyproto/tinyproto.py", "serpy-136fef1/serpy2/serpy2.py", "tpft-main/tpft.py", "README",
		}, map[string]string{
			"tinyproto2": "tinyproto-2.0", "tinyproto3": "a-fork/src", "serpy2": "serpy-136fef1", "tpft": "tpft-main:a-fork/src", "serpy": "!no other folder",
		}},
		{"tpft alone", []string{"tpft/tpft.py"}, map[string]string{"tpft": "!tpft needs tinyproto3"}},
	} {
		root := lay(t, c.files...)
		for name, want := range c.want {
			got, err := Path(name)
			if part, bad := strings.CutPrefix(want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %s: %q, %v; want an error with %q", c.what, name, got, err, part)
				}
				continue
			}
			var path []string
			for p := range strings.SplitSeq(want, ":") {
				path = append(path, filepath.Join(root, filepath.FromSlash(p)))
			}
			if want := strings.Join(path, string(os.PathListSeparator)); got != want || err != nil {
				t.Errorf("%s: %s: %q, %v; want %q", c.what, name, got, err, want)
			}
		}
	}
}

func TestFile(t *testing.T) {
	root := lay(t, "serpy/serpy/serpy.py", "serpy/examples/simpleChat.py", "tinyproto/src/tinyproto/connection_details.py", "tinyproto/example/chat-client.py")
	for name, want := range map[string]string{
		"serpy/examples/simpleChat.py":      "serpy/examples/simpleChat.py",
		"tinyproto3/example/chat-client.py": "tinyproto/example/chat-client.py",
	} {
		if got, err := File(name); got != filepath.Join(root, filepath.FromSlash(want)) || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := File("serpy/examples/none.py"); err == nil {
		t.Errorf("%q is not there", got)
	}
	t.Setenv("PARLEY_PEERS", root+"/nowhere")
	if _, err := File("serpy/examples/simpleChat.py"); err == nil || !strings.Contains(err.Error(), "PARLEY_PEERS: ") {
		t.Error(err)
	}
	t.Setenv("PARLEY_PEERS", "")
	if _, err := File("serpy/examples/simpleChat.py"); err == nil || !strings.Contains(err.Error(), "not set") {
		t.Error(err)
	}
}
