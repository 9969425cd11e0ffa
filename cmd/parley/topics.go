package main

import (
	"embed"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

//go:embed help/*.txt
var helpFiles embed.FS

// topicNames are the help topics, in the order in which help lists them.
var topicNames = []string{"addresses", "messages", "output", "end-of-input", "exit-codes", "tls", "services", "config", "replies", "recordings"}

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

// optionTable lists the options of all protocols.
func optionTable() string {
	var b strings.Builder
	for _, proto := range endpoint.Names() {
		options := endpoint.Options(proto)
		if len(options) == 0 {
			fmt.Fprintf(&b, "  %-10s no options\n", proto)
		}
		for i, o := range options {
			if i > 0 {
				proto = ""
			}
			fmt.Fprintf(&b, "  %-10s %-24s %s\n", proto, o.Name+"="+o.Values, o.Help)
		}
	}
	return b.String()
}

func cheatCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cheat",
		Short: "Print examples to copy",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.stdout, helpText("cheat"))
			return err
		},
	}
}
