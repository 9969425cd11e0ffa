package fault

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What is wrong with a command line is told in our own words: what was written, and
// what to write. The words of cobra and of Go's packages are for programmers.

// FlagError returns the error for a flag that can't be read.
func FlagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &missing):
		f := missing.GetFlag()
		what, help := pflag.UnquoteUsage(f)
		return Usagef("--%s needs a value: --%s %s: %s", f.Name, f.Name, what, help)
	case errors.As(err, &invalid):
		return Usagef("--%s %s: %w", invalid.GetFlag().Name, invalid.GetValue(), FlagValueError(invalid.GetFlag(), invalid.GetValue(), invalid.Unwrap()))
	case errors.As(err, &syntax):
		return Usagef("%s is no flag: write --NAME or --NAME=VALUE", syntax.GetSpecifiedFlag())
	}
	return AsUsage(err)
}

// unknownFlag returns the error for a flag that there is not.
func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	if letters := e.GetSpecifiedShortnames(); letters != "" {
		written := "-" + letters
		if one := "-" + string([]rune(e.GetSpecifiedName())[:1]); one != written {
			written = one + " in " + written
		}
		hint := ""
		if len(letters) > 1 && cmd.Flags().Lookup(letters) != nil {
			hint = ": did you mean --" + letters + "?"
		}
		return Usagef("%s has no flag %s%s\n  usage: %s", cmd.CommandPath(), written, hint, cmd.UseLine())
	}
	name := e.GetSpecifiedName()
	return Usagef("%s has no flag --%s%s\n  usage: %s", cmd.CommandPath(), name, FlagHint(cmd, name), cmd.UseLine())
}

// FlagHint says which flag may have been meant, or which command has it.
func FlagHint(cmd *cobra.Command, name string) string {
	var own []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			own = append(own, f.Name)
		}
	})
	if near := Nearest(name, own); len(near) > 0 {
		return ": did you mean --" + strings.Join(near, " or --") + "?"
	}
	var others []string
	for _, c := range cmd.Root().Commands() {
		if c != cmd && c.LocalFlags().Lookup(name) != nil {
			others = append(others, c.Name())
		}
	}
	if len(others) == 0 {
		return ""
	}
	return ": that is one of " + strings.Join(others, ", ")
}

// FlagValueError says what is wrong with the value of a flag.
func FlagValueError(f *pflag.Flag, value string, err error) error {
	switch f.Value.Type() {
	case "duration":
		return durationError(value)
	case "int", "uint", "uint64", "int64", "count":
		if errors.Is(err, strconv.ErrRange) {
			return errors.New("that is out of range")
		}
		if strings.HasPrefix(f.Value.Type(), "uint") {
			return errors.New("want a whole number from 0")
		}
		return errors.New("want a whole number")
	case "float64":
		return errors.New("want a number")
	case "float64Slice":
		return errors.New("want numbers, such as 1,99")
	case "bool":
		return errors.New("want true or false")
	}
	return PlainError(err)
}

// durationError says how to write a time.
func durationError(value string) error {
	if _, err := strconv.ParseFloat(value, 64); err == nil && strings.Trim(value, "0123456789.") == "" {
		return fmt.Errorf("write %ss", value)
	}
	return errors.New("want a time, such as 500ms, 5s or 2m")
}

// PlainError returns an error of one of Go's packages in our own words.
func PlainError(err error) error {
	var (
		number *strconv.NumError
		re     *syntax.Error
		list   *csv.ParseError
		b64    base64.CorruptInputError
		digit  hex.InvalidByteError
		escape url.EscapeError
	)
	switch {
	case errors.As(err, &number) && errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%s is out of range", number.Num)
	case errors.As(err, &number):
		return fmt.Errorf("%s is no number", number.Num)
	case errors.As(err, &re):
		return fmt.Errorf("%s in %s", re.Code, re.Expr)
	case errors.As(err, &list):
		return errors.New("a quotation mark is not in its place: items of a list are parted by commas")
	case errors.As(err, &b64):
		return fmt.Errorf("byte %d is no base64", int64(b64))
	case errors.As(err, &digit):
		return fmt.Errorf("%q is no hexadecimal digit", rune(digit))
	case errors.Is(err, hex.ErrLength):
		return errors.New("want two hexadecimal digits for each byte")
	case errors.As(err, &escape):
		return fmt.Errorf("%s is no percent escape: a %% itself is written %%25", string(escape))
	}
	return err
}

// Regexp reads the regular expression of a flag.
func Regexp(flag, text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, Usagef("%s: %w", flag, PlainError(err))
	}
	return re, nil
}

// ArgsError returns what is wrong with the number of arguments.
func ArgsError(cmd *cobra.Command, fits cobra.PositionalArgs, given []string) error {
	err := fits(cmd, given)
	if err == nil || errors.As(err, new(usageError)) {
		return err
	}
	text := ""
	for n := len(given) - 1; n >= 0 && text == ""; n-- {
		if fits(cmd, given[:n]) == nil {
			text = fmt.Sprintf("%q is one argument too many", given[n])
		}
	}
	if text == "" {
		text = "an argument is missing"
		if len(given) == 0 {
			text = "arguments are missing"
		}
	}
	return Usagef("%s: %s\n  usage: %s", cmd.CommandPath(), text, cmd.UseLine())
}

// The errors that cobra gives as texts.
var (
	unknownCommand = regexp.MustCompile(`^unknown command "(.*)" for "([^"]*)"`)
	together       = regexp.MustCompile(`; \[(.*)\] were all set$`)
	oneOf          = regexp.MustCompile(`^at least one of the flags in the group \[(.*)\] is required$`)
)

// CommandError returns an error of cobra in our own words.
func CommandError(root *cobra.Command, err error) error {
	m := unknownCommand.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	cmd, _, findErr := root.Find(strings.Fields(m[2])[1:])
	if findErr != nil {
		cmd = root
	}
	return NoSuchCommand(cmd, m[1])
}

// NoSuchCommand returns the error for a subcommand that cmd has not.
func NoSuchCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			names = append(names, c.Name())
		}
	}
	text := "there is no command " + strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name())+" "+name)
	switch near := Nearest(name, names); {
	case len(near) > 0:
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	case cmd.HasParent():
		text += ": " + cmd.CommandPath() + " has " + strings.Join(names, ", ")
	default:
		text += ": \"parley help\" lists them"
	}
	return usageError{errors.New(text)}
}

// GroupError returns an error about flags that belong together or exclude each
// other.
func GroupError(err error) error {
	if m := together.FindStringSubmatch(err.Error()); m != nil {
		return Usagef("--%s exclude each other: write one of them", strings.ReplaceAll(m[1], " ", " and --"))
	}
	if m := oneOf.FindStringSubmatch(err.Error()); m != nil {
		return Usagef("one of --%s is needed", strings.ReplaceAll(m[1], " ", ", --"))
	}
	return AsUsage(err)
}

// Nearest returns the names that a misspelt one may have meant.
func Nearest(wrong string, names []string) (near []string) {
	best := max(1, len(wrong)/3) // what is more is another word
	for _, name := range names {
		d := distance(wrong, name)
		if len(wrong) >= 3 && strings.HasPrefix(name, wrong) {
			d = 1
		}
		switch {
		case d > best || d >= len(name):
		case d < best:
			best, near = d, []string{name}
		default:
			near = append(near, name)
		}
	}
	slices.Sort(near)
	return near[:min(len(near), 3)]
}

// distance is how many letters differ: wrong, missing, too many, or in the wrong
// order (the restricted Damerau-Levenshtein distance).
func distance(a, b string) int {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := range x {
		for j := range y {
			change := 1
			if x[i] == y[j] {
				change = 0
			}
			d := min(rows[i][j]+change, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(x)][len(y)]
}
