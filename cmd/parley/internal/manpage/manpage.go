// Package manpage writes the manual pages of a command. It is for generators:
// the command itself does not import it.
package manpage

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Write writes a page for the command and each of its subcommands to dir,
// which it makes if it is not there. The same command and date give the same
// pages.
func Write(root *cobra.Command, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1",
		Source:  "parley",
		Manual:  "parley",
		Date:    &date,
	}, dir)
}
