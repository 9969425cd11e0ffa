package app

import (
	"slices"
	"strings"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A name of a file is read alike in every command: "-" is standard input or output
// where one of them makes sense, and else refused; "@FILE" is the content of a file
// where a message is wanted, and refused where a file is.

// FileName checks the name of a file where neither "-" nor "@FILE" means one; what
// says where it stands.
func FileName(what, name string) error {
	switch {
	case name == "-":
		return fault.Usagef("%s -: standard input and output can't be used here: name a file (./- is one of that name)", what)
	case strings.HasPrefix(name, "@"):
		return fault.Usagef("%s %s: @FILE stands for a message: write %s (./%s is a file of that name)", what, name, name[1:], name)
	}
	return nil
}

// StreamName is FileName where "-" means something.
func StreamName(what, name string) error {
	if name == "-" {
		return nil
	}
	return FileName(what, name)
}

// fileFlags checks the flags that name files. Their help says which these are.
func fileFlags(cmd *cobra.Command) (err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		kind, _ := pflag.UnquoteUsage(f)
		if err != nil || !slices.Contains([]string{"FILE", "DIR", "DB"}, kind) {
			return
		}
		check := FileName
		if f.Name == "output" { // of image and export
			check = StreamName
		}
		err = check("--"+f.Name, f.Value.String())
	})
	return err
}
