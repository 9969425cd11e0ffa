// Package input reads the messages to send: as a person types them, with their types in
// front, and from standard input, item by item.
package input

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/line"
)

// Flags say what standard input is.
type Flags struct {
	Kind   string
	Lines  bool
	null   bool
	base64 bool

	edited bool // lines are what an editor writes: CR LF ends them too, and a byte order mark is none of theirs
}

// OfLines notes that p's messages are lines which can't hold a CR at their end.
func (o *Flags) OfLines(p parley.Protocol) {
	l, ok := p.(line.Protocol)
	o.edited = ok && slices.ContainsFunc(strings.Split(l.End.String(), ", "), func(end string) bool {
		return end == line.End{}.String() || end == "CR" || end == "CR LF"
	})
}

// Trim takes from a line of standard input, or from all of it, what an editor has put
// there.
func (o *Flags) Trim(b []byte, first bool) []byte {
	if !o.edited || o.null || o.Kind == "bytes" {
		return b
	}
	if first {
		b = bytes.TrimPrefix(b, []byte("\uFEFF"))
	}
	return bytes.TrimSuffix(b, []byte("\r"))
}

func (o *Flags) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.Kind, "type", "text", "`TYPE` of messages that do not name theirs: "+strings.Join(Kinds, ", "))
	f.BoolVarP(&o.Lines, "lines", "l", false, "send each line of standard input")
	f.BoolVarP(&o.null, "null", "0", false, "send each item of standard input that a NUL ends")
	f.BoolVar(&o.base64, "base64", false, "send each line of standard input, decoded from base64, as bytes")
	cmd.MarkFlagsMutuallyExclusive("lines", "null", "base64")
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(Kinds, cobra.ShellCompDirectiveNoFileComp))
}

// Items reports whether standard input is read item by item.
func (o *Flags) Items() bool { return o.Lines || o.null || o.base64 }

// Input is the messages to send: those of the arguments, then those of
// standard input.
type Input struct {
	o     Flags
	args  []parley.Message
	stdin *bufio.Reader // nil: it is not read
	n     int           // items of standard input so far
}

// New reads the arguments and prepares to read standard input.
func New(a *app.App, o Flags, args []string) (*Input, error) {
	if !slices.Contains(Kinds, o.Kind) {
		return nil, fault.Usagef("--type %s: want %s", o.Kind, strings.Join(Kinds, ", "))
	}
	in := &Input{o: o}
	if o.Items() {
		in.stdin = bufio.NewReader(a.Stdin)
	}
	for _, arg := range args {
		if arg != "-" {
			m, err := Parse(arg, o.Kind)
			if err != nil {
				return nil, err
			}
			in.args = append(in.args, m)
			continue
		}
		if in.stdin != nil {
			return nil, fault.Usagef("standard input can be read once: - or %s, not both", "--lines, -0, --base64")
		}
		m, err := wholeInput(a, o)
		if err != nil {
			return nil, err
		}
		in.args = append(in.args, m)
	}
	return in, nil
}

// wholeInput reads standard input as one message. Text loses the line feed at
// its end, if there is one.
func wholeInput(a *app.App, o Flags) (parley.Message, error) {
	b, err := io.ReadAll(a.Stdin)
	if err != nil {
		return parley.Message{}, fmt.Errorf("standard input: %w", err)
	}
	if o.Kind != "bytes" {
		if name := WideText(b); name != "" {
			return parley.Message{}, fault.Usagef("standard input %s", name)
		}
		b = o.Trim(bytes.TrimSuffix(b, []byte("\n")), true)
	}
	return Typed(o.Kind, string(b))
}

// Next returns the next message, or io.EOF. It may wait for standard input.
func (in *Input) Next() (parley.Message, error) {
	if len(in.args) > 0 {
		m := in.args[0]
		in.args = in.args[1:]
		return m, nil
	}
	if in.stdin == nil {
		return parley.Message{}, io.EOF
	}
	end := byte('\n')
	if in.o.null {
		end = 0
	}
	b, err := in.stdin.ReadBytes(end)
	if in.n == 0 && in.o.Kind != "bytes" && !(in.o.null && !hasWideMark(b)) {
		if name := WideText(b); name != "" {
			return parley.Message{}, fault.Usagef("standard input %s", name)
		}
	}
	switch {
	case err == io.EOF && len(b) == 0:
		return parley.Message{}, io.EOF
	case err != nil && err != io.EOF:
		return parley.Message{}, fmt.Errorf("standard input: %w", err)
	case err == nil:
		b = b[:len(b)-1]
	}
	in.n++
	m, err := in.item(in.o.Trim(b, in.n == 1))
	if err != nil {
		return m, fault.Usagef("standard input, item %d: %w", in.n, err)
	}
	return m, nil
}

// WideText says which encoding other than UTF-8 the beginning of standard input shows, by
// its byte order mark or, as text has no NUL, by those between its first characters; "" if
// none.
func WideText(b []byte) string {
	const form = "is %s: convert it to UTF-8 (iconv -f %s -t UTF-8; in PowerShell, Out-File -Encoding utf8), or send its bytes with --type bytes"
	for _, e := range []struct{ mark, name string }{
		{"\xFF\xFE\x00\x00", "UTF-32LE"}, {"\x00\x00\xFE\xFF", "UTF-32BE"}, {"\xFF\xFE", "UTF-16LE"}, {"\xFE\xFF", "UTF-16BE"},
	} {
		if bytes.HasPrefix(b, []byte(e.mark)) {
			return fmt.Sprintf(form, e.name, e.name)
		}
	}
	switch {
	case len(b) < 4:
	case b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0:
		return fmt.Sprintf(form, "UTF-16LE", "UTF-16LE")
	case b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
		return fmt.Sprintf(form, "UTF-16BE", "UTF-16BE")
	}
	return ""
}

// hasWideMark reports whether b begins with the byte order mark of such an encoding.
func hasWideMark(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xFF\xFE")) || bytes.HasPrefix(b, []byte("\xFE\xFF"))
}

func (in *Input) item(b []byte) (parley.Message, error) {
	if !in.o.base64 {
		return Typed(in.o.Kind, string(b))
	}
	p, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSuffix(b, []byte("\r")))
	if err != nil {
		return parley.Message{}, errors.New("no base64")
	}
	return parley.Bytes(p), nil
}
