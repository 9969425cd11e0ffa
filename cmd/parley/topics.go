package main

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

//go:embed help/*.txt
var helpFiles embed.FS

// topicNames are the help topics, in the order in which help lists them.
var topicNames = []string{"addresses", "messages", "output", "end-of-input", "limits", "exit-codes", "tls", "services", "config", "replies", "recordings", "beyond"}

// topics returns the help topics, as cobra wants them: commands that do
// nothing. The first line of a topic's file is its title.
func topics() []*cobra.Command {
	var cmds []*cobra.Command
	for _, name := range topicNames {
		title, text, _ := strings.Cut(helpText(name), "\n")
		if name == "addresses" {
			text += optionTable()
		}
		cmds = append(cmds, &cobra.Command{Use: name, Short: title, Long: title + "\n" + strings.TrimRight(text, "\n")})
	}
	return cmds
}

// helpText returns the content of an embedded file.
func helpText(name string) string {
	b, err := helpFiles.ReadFile("help/" + name + ".txt")
	if err != nil {
		panic(err) // the name is misspelt in this package
	}
	return string(b)
}

// optionTable lists the options of all protocols. Of scpi only those that differ
// from line's.
func optionTable() string {
	var b strings.Builder
	line := endpoint.Options("line")
	for _, proto := range endpoint.Names() {
		options := endpoint.Options(proto)
		switch {
		case len(options) == 0:
			fmt.Fprintf(&b, "  %-10s no options\n", proto)
		case proto == "scpi":
			fmt.Fprintf(&b, "  %-10s those of line, but\n", proto)
			proto, options = "", slices.DeleteFunc(slices.Clone(options), func(o endpoint.Option) bool { return slices.Contains(line, o) })
		}
		for _, o := range options {
			fmt.Fprintf(&b, "  %-10s %s\n", proto, option(o))
			proto = ""
		}
	}
	return b.String()
}

// option is one option, with its meaning in the column beside it, or below where
// the values are too long.
func option(o endpoint.Option) string {
	values := o.Name + "=" + o.Values
	if len(values) > 24 {
		return fmt.Sprintf("%s\n%37s %s", values, "", o.Help)
	}
	return fmt.Sprintf("%-24s %s", values, o.Help)
}

func cheatCmd(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "cheat",
		Short: "Print examples to copy",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.Stdout, helpText("cheat"))
			return err
		},
	}
}
