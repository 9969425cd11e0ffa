//go:build unix

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The two scripts are also run among all others; here they have the names of what they
// verify.
//
// Verifies: FILES-01, FILES-03
func TestFileNamesAndForms(t *testing.T) {
	p := scriptParams(t)
	p.Dir, p.Files = "", []string{"testdata/script/filenames.txtar", "testdata/script/bridge-typed.txtar"}
	testscript.Run(t, p)
}
