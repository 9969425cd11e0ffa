package profile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/shellwords"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func profileEditCmd(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "edit [NAME]",
		Short: "Change a profile, or the configuration file, in an editor",
		Long: `Opens the profile NAME, or without one the whole configuration file, in the
editor that VISUAL or EDITOR names (else vi). What was written is checked before
it is taken: a file with a mistake stays beside the configuration, which is as it
was.`,
		Example: `  parley profile edit bench1
  EDITOR=nano parley profile edit`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.Profiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return editProfile(a, cmd, args[0])
			}
			return editWhole(a, cmd)
		},
	}
}

// editWhole has the configuration file edited. Comments in it stay.
func editWhole(a *app.App, cmd *cobra.Command) error {
	path, err := a.ConfigPath()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return afterEditor(a, cmd, old, func(b []byte, _ app.ConfigFile) error { return writeConfig(a, b) })
}

// editProfile has one profile edited.
func editProfile(a *app.App, cmd *cobra.Command, name string) error {
	old, err := written(a, name)
	if err != nil {
		return err
	}
	return afterEditor(a, cmd, old, func(_ []byte, now app.ConfigFile) error {
		if now.Defaults != nil {
			return errors.New("[defaults] are not of a profile: edit them without a name")
		}
		return editConfig(a, func(c *app.ConfigFile) error {
			delete(c.Profile, name) // it may have another name now
			maps.Copy(c.Profile, now.Profile)
			return nil
		})
	})
}

// afterEditor runs an editor over text and hands on what it has made of it, if that has
// changed and is right.
func afterEditor(a *app.App, cmd *cobra.Command, old []byte, take func([]byte, app.ConfigFile) error) error {
	path, err := a.ConfigPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "edit-*.toml")
	if err != nil {
		return err
	}
	_, err = f.Write(old)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := runEditor(a, cmd, f.Name()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	now, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	if bytes.Equal(now, old) {
		return os.Remove(f.Name())
	}
	var c app.ConfigFile
	if err = app.DecodeTOML(f.Name(), now, &c); err == nil {
		err = checkConfig(cmd, c)
	}
	if err == nil {
		err = take(now, c)
	}
	if err != nil {
		return &fault.Error{Code: fault.Usage, Err: err, Hint: "the configuration is as it was; what was written is in " + f.Name()}
	}
	return os.Remove(f.Name())
}

// runEditor runs the user's editor.
func runEditor(a *app.App, cmd *cobra.Command, file string) error {
	words, err := shellwords.Split(cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi"))
	if err != nil {
		return fault.Usagef("VISUAL, EDITOR: %w", err)
	}
	editor := exec.CommandContext(cmd.Context(), words[0], append(words[1:], file)...)
	editor.Stdin, editor.Stdout, editor.Stderr = a.Stdin, a.Stdout, a.Errs
	if err := editor.Run(); err != nil {
		return fmt.Errorf("the editor %s: %w", words[0], err)
	}
	return nil
}

// checkConfig says what is wrong with addresses and flags.
func checkConfig(cmd *cobra.Command, c app.ConfigFile) error {
	known := app.AllFlags(cmd.Root())
	check := func(from string, flags map[string]any) error {
		for _, name := range slices.Sorted(maps.Keys(flags)) {
			if name != "url" && !known[name] {
				return fmt.Errorf("%s: there is no flag %q", from, name)
			}
		}
		return nil
	}
	if err := check("[defaults]", c.Defaults); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Profile)) {
		p := c.Profile[name]
		if url, ok := p["url"].(string); ok {
			if _, err := endpoint.Parse(url); err != nil {
				return fmt.Errorf("profile %s: %w", name, err)
			}
		}
		if err := check("profile "+name, p); err != nil {
			return err
		}
	}
	return nil
}
