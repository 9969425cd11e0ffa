// Package socketdir has folders for the Unix sockets of tests. The name of a socket has
// about a hundred bytes, and TMPDIR may be longer than that.
package socketdir

import (
	"os"
	"testing"
)

// longest is how long a folder may be that leaves room for a socket's name in the 104
// bytes that the systems have in common.
const longest = 80

// New returns a folder whose name is short, until the test ends.
func New(tb testing.TB) string {
	tb.Helper()
	if dir := tb.TempDir(); len(dir) <= longest {
		return dir
	}
	dir, err := os.MkdirTemp("/tmp", "parley")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
