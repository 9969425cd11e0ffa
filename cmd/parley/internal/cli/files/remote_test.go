package files

import (
	"testing"
)

func TestSplitRemote(t *testing.T) {
	for arg, want := range map[string][3]string{
		"host:path":        {"host", "", "path"},
		"host:8088:path":   {"host", ":8088", "path"},
		"host:a:b":         {"host", "", "a:b"},
		"host:8088:":       {"host", ":8088", ""},
		"host:":            {"host", "", ""},
		"host:./8088":      {"host", "", "./8088"},
		"[::1]:path":       {"[::1]", "", "path"},
		"[::1]:8088:a/b":   {"[::1]", ":8088", "a/b"},
		":path":            {"", "", "path"},
		"host:/abs":        {"host", "", "/abs"},
		"host:8088:1:2":    {"host", ":8088", "1:2"},
		"host:dätei \xff€": {"host", "", "dätei \xff€"},
	} {
		host, port, path, err := splitRemote(arg)
		if got := [3]string{host, port, path}; got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", arg, got, err, want)
		}
	}
	for _, arg := range []string{"", "path", "[::1]", "[::1", "[::1]path", "host:8088", "fe80::1:x", "::1:x", "tinyproto://h/p"} {
		if host, port, path, err := splitRemote(arg); err == nil {
			t.Errorf("%q: %q %q %q, want an error", arg, host, port, path)
		}
	}
}
