package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func profileCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Keep addresses and their flags under a name",
		Long: `A profile is an address with the flags that belong to it. -p NAME, or the
environment variable PARLEY_PROFILE, puts it in the place of the URL of any
command. Profiles are kept in the configuration file, see "parley help config".`,
	}
	cmd.AddCommand(profileAddCmd(a), profileListCmd(a), profileRemoveCmd(a))
	for _, sub := range cmd.Commands() {
		sub.Annotations = map[string]string{noConfig: "it edits the configuration"}
	}
	return cmd
}

func profileAddCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Add a profile, or replace it",
		Example: `  parley profile add bench1 serpy2+tls://10.0.0.5:6000 --pin sha256:…
  parley send -p bench1 int:3`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, url := args[0], args[1]
			if _, err := endpoint.Parse(url); err != nil {
				return usageError{err}
			}
			p := map[string]any{"url": url}
			cmd.Flags().Visit(func(f *pflag.Flag) {
				if f.Name != "config" {
					p[f.Name] = flagValue(f)
				}
			})
			return a.editConfig(func(c *configFile) error {
				if c.Profile == nil {
					c.Profile = make(map[string]map[string]any)
				}
				c.Profile[name] = p
				return nil
			})
		},
	}
	a.dialFlags(cmd)
	return cmd
}

func profileListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the profiles",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.readConfig()
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(c.Profile)) {
				p := c.Profile[name]
				fmt.Fprintf(a.stdout, "%s\t%v", name, p["url"])
				for _, flag := range slices.Sorted(maps.Keys(p)) {
					if flag != "url" {
						fmt.Fprintf(a.stdout, "\t--%s=%v", flag, p[flag])
					}
				}
				fmt.Fprintln(a.stdout)
			}
			return nil
		},
	}
}

func profileRemoveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Remove a profile",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.profiles,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.editConfig(func(c *configFile) error {
				if _, ok := c.Profile[args[0]]; !ok {
					return fmt.Errorf("there is no profile %q: %s", args[0], listed("profiles", slices.Sorted(maps.Keys(c.Profile))))
				}
				delete(c.Profile, args[0])
				return nil
			})
		},
	}
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
func (a *app) editConfig(edit func(*configFile) error) error {
	path, err := a.configPath()
	if err != nil {
		return err
	}
	c, err := a.readConfig()
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
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, b.Bytes(), 0o600); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, path)
}
