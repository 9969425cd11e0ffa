package socketdir

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A socket can be made there, however long TMPDIR is, and the folder does not stay.
func TestLongTMPDIR(t *testing.T) {
	var dir string
	t.Run("in a long one", func(t *testing.T) {
		long := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
		if err := os.MkdirAll(long, 0o777); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", long)
		t.Setenv("GOTMPDIR", "")
		dir = New(t)
		l, err := net.Listen("unix", filepath.Join(dir, "a socket of a test"))
		if err != nil {
			t.Skip("this system has no Unix sockets: ", err)
		}
		l.Close()
	})
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s stays", dir)
	}
}
