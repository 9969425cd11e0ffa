package line

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parley-net/parley/wire"
)

const (
	longestEnd    = 64
	mostEnds      = 16
	longestPrompt = 256
)

// Validate says what is wrong with the options for a side in the given role, or
// nil: it names them as URLs do. A listener can't have prompt, skip or echo.
// Server and Dialer ask it before they begin.
func (p Protocol) Validate(role wire.Role) error {
	err := p.check()
	if err == nil && role == wire.Accepting && (p.Prompt != "" || p.Skip > 0 || p.Echo) {
		err = errors.New("prompt, skip and echo say what a dialer reads; a listener sends its prompt, greeting and echo itself (see line.Verbatim)")
	}
	return err
}

func (p Protocol) check() error {
	if err := p.End.check(); err != nil {
		return err
	}
	end := p.End.orAny()
	switch {
	case len(p.Send) > longestEnd:
		return fmt.Errorf("send has %d bytes: %d are the most", len(p.Send), longestEnd)
	case p.Skip < 0:
		return fmt.Errorf("skip is %d: want 0 lines or more", p.Skip)
	case p.Clients < 0:
		return fmt.Errorf("clients is %d: want 0 for no limit, or more", p.Clients)
	case p.Max < 0, p.Max > mostMax:
		return fmt.Errorf("max is %d: want 0 for the default, or 1 to %d bytes", p.Max, mostMax)
	case p.Charset > Bytes:
		return fmt.Errorf("the charset %d does not exist", p.Charset)
	case len(p.Prompt) > longestPrompt:
		return fmt.Errorf("prompt has %d bytes: %d are the most", len(p.Prompt), longestPrompt)
	}
	prompt, err := p.Charset.append(nil, []byte(p.Prompt))
	if err != nil {
		return fmt.Errorf("prompt: %w", err)
	}
	if end.in(prompt) {
		return fmt.Errorf("prompt %q contains an end (%v): a prompt is the text that no end follows", p.Prompt, end)
	}
	if tail := end.begun(string(prompt)); tail != "" {
		return fmt.Errorf("prompt %q: behind one end, %q makes a longer one (%v), and could not be told from the prompt", p.Prompt, tail, end)
	}
	if p.Blocks {
		for k := range end.len() {
			if s := end.at(k); strings.ContainsAny(s, `#"'`) || strings.Trim(s, "0123456789") == "" {
				return fmt.Errorf("end %q: with blocks an end must not contain #, \" or ', nor be digits alone, which have a meaning there", s)
			}
		}
	}
	return nil
}
