package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/shellwords"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/manpage"
)

// everyCommand returns all commands with their subcommands, without cobra's
// own and the help topics.
func everyCommand(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			if !sub.IsAdditionalHelpTopicCommand() {
				walk(sub)
			}
		}
	}
	walk(rootCmd(newApp(nil, io.Discard, io.Discard)))
	if len(all) < 10 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

// Every command says what it does and shows an example, every flag has a help
// text, and every flag of every command is used in a script.
func TestCommandsAreDescribedAndTried(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	var lines []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(b), "\n")...)
	}
	for _, c := range everyCommand(t) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q: want a text without a full stop", path, c.Short)
		}
		if c.Runnable() && c.HasAvailableFlags() && c.Long == "" && c.Example == "" && c.LocalNonPersistentFlags().HasFlags() {
			t.Errorf("%s: it has flags, so it needs a Long or an Example", path)
		}
		tried := slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
			return !strings.Contains(l, path+" ") && !strings.HasSuffix(l, path)
		})
		if c.Runnable() && c.HasParent() && len(tried) == 0 {
			t.Errorf("%s: no script runs it", path)
		}
		if !c.HasParent() {
			tried = lines // its flags are those of all commands
		}
		flags := c.LocalFlags()
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help text", path, f.Name)
			}
			if f.Name == "help" || slices.ContainsFunc(tried, func(l string) bool { return uses(l, f) }) || isShared(f) {
				return
			}
			t.Errorf("%s: no script uses --%s", path, f.Name)
		})
	}
}

// uses reports whether a line of a script sets a flag.
func uses(line string, f *pflag.Flag) bool {
	for _, word := range strings.Fields(line) {
		name, _, _ := strings.Cut(word, "=")
		if name == "--"+f.Name || f.Shorthand != "" && name == "-"+f.Shorthand {
			return true
		}
	}
	return false
}

// isShared reports whether a flag is added to many commands by what they share;
// it is enough that the scripts of send and serve use these.
func isShared(f *pflag.Flag) bool {
	shared := new(cobra.Command)
	a := newApp(nil, io.Discard, io.Discard)
	a.DialFlags(shared)
	listen.AddFlags(a, shared)
	a.BusFlags(shared)
	new(output.Flags).Add(shared)
	same := shared.Flags().Lookup(f.Name)
	return same != nil && same.Usage == f.Usage
}

// The flags that commands share are tried too, wherever.
func TestSharedFlagsAreTried(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	shared := new(cobra.Command)
	a := newApp(nil, io.Discard, io.Discard)
	a.DialFlags(shared)
	listen.AddFlags(a, shared)
	a.BusFlags(shared)
	new(output.Flags).Add(shared)
	a.GlobalFlags(shared)
	n := 0
	check := func(f *pflag.Flag) {
		n++
		if !slices.ContainsFunc(strings.Split(all.String(), "\n"), func(l string) bool { return uses(l, f) }) {
			t.Errorf("no script uses --%s", f.Name)
		}
	}
	shared.Flags().VisitAll(check)
	shared.PersistentFlags().VisitAll(check)
	if n < 20 {
		t.Errorf("only %d flags", n)
	}
}

// What examples and the cheat sheet show is a command line that parses, and
// its addresses are right.
func TestExamplesParse(t *testing.T) {
	text := "  " + strings.ReplaceAll(helpText("cheat"), "\n", "\n  ")
	for _, c := range everyCommand(t) {
		text += "\n" + c.Example + "\n" + c.Long
	}
	for _, name := range topicNames {
		text += "\n" + helpText(name)
	}
	for _, page := range otherPages(t) {
		for _, shown := range regexp.MustCompile(`(?m)^  (  parley .*)$`).FindAllStringSubmatch(page, -1) {
			text += "\n" + shown[1]
		}
	}
	n := 0
	for l := range strings.SplitSeq(text, "\n") {
		_, piped, isPipe := strings.Cut(l, "| parley ")
		l, isLine := strings.CutPrefix(l, "  parley ")
		switch {
		case isPipe:
			l = piped
		case !isLine:
			continue // prose
		}
		l, _, _ = strings.Cut(l, "        ") // a comment
		l, _, _ = strings.Cut(l, " <")
		l, _, _ = strings.Cut(l, " >")
		words, err := shellwords.Split(l)
		if err != nil {
			t.Errorf("%s: %v", l, err)
			continue
		}
		root := rootCmd(newApp(nil, io.Discard, io.Discard))
		root.InitDefaultHelpCmd()
		root.InitDefaultCompletionCmd()
		cmd, args, err := root.Find(words)
		if err != nil || cmd == root {
			t.Errorf("parley %s: there is no such command (%v)", l, err)
			continue
		}
		n++
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("parley %s: %v", l, err)
		}
		for _, arg := range cmd.Flags().Args() {
			if app.LooksLikeURL(arg) {
				if _, err := endpoint.Parse(arg); err != nil {
					t.Errorf("parley %s: %v", l, err)
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d command lines found", n)
	}
}

func TestManPages(t *testing.T) {
	dir := t.TempDir()
	date := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	if err := manpage.Write(rootCmd(newApp(nil, io.Discard, io.Discard)), dir, date); err != nil {
		t.Fatal(err)
	}
	for _, c := range everyCommand(t) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		page := strings.ReplaceAll(string(b), `\-`, "-")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden { // but in one place
				if !strings.Contains(helpText("limits"), "--"+f.Name+" ") {
					t.Errorf("help limits does not mention --%s", f.Name)
				}
			} else if !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s does not mention --%s", name, f.Name)
			}
		})
		if !strings.Contains(page, "Nov 2026") {
			t.Errorf("%s has another date", name)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"ts":"2026-11-20T10:00:00Z","conn":1,"dir":"in","proto":"serpy","kind":"object","len":1,"json":{"a":[1,2.5,null]},"mode":5}`))
	f.Add([]byte(`{"b64":"AP8="}`))
	f.Add([]byte(`{"kind":"int","text":"0x10"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := output.ParseRecord(line)
		if err != nil {
			return
		}
		m, err := r.Message()
		if err != nil {
			return
		}
		again, err := output.NewRecord(m).Message()
		if err != nil || again.Type() != m.Type() || again.Text() != m.Text() {
			t.Errorf("%s: %v, and then %v (%v)", line, m, again, err)
		}
	})
}
