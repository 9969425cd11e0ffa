// Package profile is the room of parley profile: profiles of the configuration, added,
// shown, edited and removed.
package profile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/shellwords"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Keep addresses and their flags under a name",
		Long: `A profile is an address with the flags that belong to it. -p NAME, or the
environment variable PARLEY_PROFILE, puts it in the place of the URL of any
command. Profiles are kept in the configuration file, see "parley help config".`,
	}
	cmd.AddCommand(profileAddCmd(a), profileListCmd(a), profileShowCmd(a), profileEditCmd(a), profileRemoveCmd(a))
	for _, sub := range cmd.Commands() {
		sub.Annotations = map[string]string{app.NoConfig: "it edits the configuration"}
	}
	return cmd
}

func profileAddCmd(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Add a profile, or replace it",
		Example: `  parley profile add bench1 serpy2+tls://10.0.0.5:6000 --pin sha256:…
  parley send -p bench1 int:3`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, url := args[0], args[1]
			if _, err := endpoint.Parse(url); err != nil {
				return fault.AsUsage(err)
			}
			p := map[string]any{"url": url}
			cmd.Flags().Visit(func(f *pflag.Flag) {
				if f.Name != "config" {
					p[f.Name] = flagValue(f)
				}
			})
			return editConfig(a, func(c *app.ConfigFile) error {
				if c.Profile == nil {
					c.Profile = make(map[string]map[string]any)
				}
				c.Profile[name] = p
				return nil
			})
		},
	}
	a.DialFlags(cmd)
	return cmd
}

func profileListCmd(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the profiles, to be pasted into a shell",
		Long: `Prints a line for each profile: its name, its address, its flags, with quotation
marks where a shell wants them. A whole line can be pasted behind "parley profile
add", and what stands behind the name behind "parley send".`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.ReadConfig()
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(c.Profile))
			width := 0
			for _, name := range names {
				width = max(width, len([]rune(shellwords.Quote(name))))
			}
			for _, name := range names {
				fmt.Fprintf(a.Stdout, "%-*s  %s\n", width, shellwords.Quote(name), strings.Join(profileWords(c.Profile[name]), " "))
			}
			return nil
		},
	}
}

func profileShowCmd(a *app.App) *cobra.Command {
	return ofProfile(a, "show", "Print a profile as it stands in the configuration file", func(name string) error {
		b, err := written(a, name)
		if err != nil {
			return err
		}
		_, err = a.Stdout.Write(bytes.TrimPrefix(b, []byte("[profile]\n")))
		return err
	})
}

// written is a profile as it stands in the configuration file.
func written(a *app.App, name string) ([]byte, error) {
	c, err := a.ReadConfig()
	if err != nil {
		return nil, err
	}
	p, ok := c.Profile[name]
	if !ok {
		return nil, app.NoProfile(name, c)
	}
	return toml.Marshal(app.ConfigFile{Profile: map[string]map[string]any{name: p}})
}

func profileRemoveCmd(a *app.App) *cobra.Command {
	return ofProfile(a, "remove", "Remove a profile", func(name string) error {
		return editConfig(a, func(c *app.ConfigFile) error {
			if _, ok := c.Profile[name]; !ok {
				return app.NoProfile(name, *c)
			}
			delete(c.Profile, name)
			return nil
		})
	})
}

// ofProfile is a command that takes the name of a profile and nothing else.
func ofProfile(a *app.App, verb, short string, run func(name string) error) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.Profiles,
		RunE:              func(_ *cobra.Command, args []string) error { return run(args[0]) },
	}
}

// profileWords are the address and the flags of a profile as a shell reads them.
func profileWords(p map[string]any) []string {
	var words []string
	if url, ok := p["url"]; ok {
		words = append(words, shellwords.Quote(fmt.Sprint(url)))
	}
	for _, flag := range slices.Sorted(maps.Keys(p)) {
		values, list := p[flag].([]any)
		if !list {
			values = []any{p[flag]}
		}
		for _, v := range values {
			switch {
			case flag == "url":
			case v == true:
				words = append(words, "--"+flag)
			default:
				words = append(words, "--"+flag+"="+shellwords.Quote(fmt.Sprint(v)))
			}
		}
	}
	return words
}

// flagValue returns what the configuration keeps of a flag.
func flagValue(f *pflag.Flag) any {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	if f.Value.Type() == "bool" {
		return f.Value.String() == "true"
	}
	return f.Value.String()
}

// editConfig changes the configuration file. Comments in it are lost.
func editConfig(a *app.App, edit func(*app.ConfigFile) error) error {
	c, err := a.ReadConfig()
	if err != nil {
		return err
	}
	if err := edit(&c); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(c); err != nil {
		return err
	}
	return writeConfig(a, b.Bytes())
}

// writeConfig replaces the configuration file.
func writeConfig(a *app.App, b []byte) error {
	path, err := a.ConfigPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, b, 0o600); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, path)
}
