package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/recording"
)

// ConfigFile is the configuration file: flags of all commands, and profiles
// with an address and flags of their own.
//
//	[defaults]
//	timeout = "10s"
//
//	[profile.bench1]
//	url = "serpy2+tls://10.0.0.5:6000"
//	pin = "sha256:…"
type ConfigFile struct {
	Defaults map[string]any            `toml:"defaults,omitempty"`
	Profile  map[string]map[string]any `toml:"profile,omitempty"`
}

// ConfigPath returns where the configuration is.
func (a *App) ConfigPath() (string, error) {
	if a.config != "" {
		return a.config, nil
	}
	if p := os.Getenv("PARLEY_CONFIG"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "parley", "config.toml"), err
}

// ReadConfig reads the configuration; one that does not exist is empty. So is one in a home that
// is nobody's, or another user's: what runs under an account of its own often has such a HOME.
func (a *App) ReadConfig() (ConfigFile, error) {
	var c ConfigFile
	path, err := a.ConfigPath()
	if err != nil {
		return c, nil // no home: no configuration
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil && a.config == "" && os.Getenv("PARLEY_CONFIG") == "" {
		if _, there := os.Stat(path); there != nil { // nobody can say whether it is there
			return c, nil
		}
	}
	if err != nil {
		return c, fault.AsUsage(&fault.Error{Code: fault.Usage, Err: fmt.Errorf("configuration: %w", err),
			Hint: "let this user read it, or name another one with --config or PARLEY_CONFIG: one that is not there is an empty one"})
	}
	if b, err = io.ReadAll(recording.UTF8(bytes.NewReader(b))); err != nil {
		return c, fault.Usagef("configuration: %w", err)
	}
	if err := DecodeTOML(path, b, &c); err != nil {
		return c, fault.AsUsage(err)
	}
	return c, nil
}

// applyConfig sets the flags of cmd that the command line does not set, from
// the profile and then from the defaults of the configuration.
func (a *App) applyConfig(cmd *cobra.Command) error {
	if a.config != "" {
		if _, err := os.Stat(a.config); err != nil {
			return fault.Usagef("--config: %w", err)
		}
	}
	c, err := a.ReadConfig()
	if err != nil {
		return err
	}
	if a.profile != "" {
		p, ok := c.Profile[a.profile]
		if !ok {
			return NoProfile(a.profile, c)
		}
		a.ProfileURL, _ = p["url"].(string)
		delete(p, "url")
		if err := applyFlags(cmd, "profile "+a.profile, p); err != nil {
			return err
		}
	}
	return applyFlags(cmd, "[defaults]", c.Defaults)
}

// applyFlags sets the flags of cmd that are not yet set.
func applyFlags(cmd *cobra.Command, from string, values map[string]any) error {
	var known map[string]bool
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f := cmd.Flags().Lookup(name)
		if f == nil {
			// A flag of another command is fine, a flag of none is a mistake.
			if known == nil {
				known = AllFlags(cmd.Root())
			}
			if !known[name] {
				return fault.Usagef("configuration, %s: there is no flag %q%s", from, name, fault.FlagHint(cmd, name))
			}
			continue
		}
		if f.Changed {
			continue
		}
		if err := setFlag(cmd.Flags(), name, values[name]); err != nil {
			return fault.Usagef("configuration, %s: %s: %w", from, name, err)
		}
	}
	return nil
}

// setFlag sets a flag to a value of the configuration.
func setFlag(fs *pflag.FlagSet, name string, value any) error {
	values, ok := value.([]any)
	if !ok {
		values = []any{value}
	}
	for _, v := range values {
		switch v.(type) {
		case string, bool, int64, float64:
		default:
			return fmt.Errorf("%v: want a string, a number, true or false, or a list of them", v)
		}
		if err := fs.Set(name, fmt.Sprint(v)); err != nil {
			return fault.FlagValueError(fs.Lookup(name), fmt.Sprint(v), unwrapped(err))
		}
	}
	return nil
}

// AllFlags returns the names of the flags of all commands.
func AllFlags(root *cobra.Command) map[string]bool {
	names := make(map[string]bool)
	note := func(f *pflag.Flag) { names[f.Name] = true }
	root.PersistentFlags().VisitAll(note)
	for _, cmd := range root.Commands() {
		maps.Copy(names, AllFlags(cmd))
		cmd.Flags().VisitAll(note)
	}
	return names
}

// DecodeTOML decodes the content of a file. An error names the place and, for
// a name that is not known, the name.
func DecodeTOML(path string, b []byte, into any) error {
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	err := d.Decode(into)
	var strict *toml.StrictMissingError
	var syntax *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		e := strict.Errors[0]
		row, col := e.Position()
		return fmt.Errorf("%s:%d:%d: there is no %q here", path, row, col, e.Key()[len(e.Key())-1])
	case errors.As(err, &syntax):
		row, col := syntax.Position()
		return fmt.Errorf("%s:%d:%d: %s", path, row, col, syntax.Error())
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// unwrapped returns what is wrong with the value of a flag.
func unwrapped(err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return invalid.Unwrap()
	}
	return err
}

func listed(what string, names []string) string {
	if len(names) == 0 {
		return "there are no " + what
	}
	return fmt.Sprintf("the %s are %s", what, strings.Join(names, ", "))
}

// NoProfile says which profiles there are.
func NoProfile(name string, c ConfigFile) error {
	names := slices.Sorted(maps.Keys(c.Profile))
	if near := fault.Nearest(name, names); len(near) > 0 {
		return fault.Usagef("there is no profile %q: did you mean %s?", name, strings.Join(near, " or "))
	}
	return fault.Usagef("there is no profile %q: %s", name, listed("profiles", names))
}
