package device

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// header is a command as SCPI's manuals write it, in a file:
//
//	[SOURce:]VOLTage[:LEVel] <v>
//	MEASure:VOLTage[:DC]? [<range>][,<resolution>]
//	CHANnel<ch>:SCALe?
//	OUTPut <on>,(@<ch>)
//
// Small letters may be left out, brackets hold what may be left out, <ch> in
// the header is a number, behind it a parameter, and (@<ch>) a list of
// channels, which the command is done for one by one. Another parameter is
// literal.
type header struct {
	nodes  []headerNode
	query  bool
	params []headerParam
	any    bool // any parameters
}

type headerNode struct {
	form     string
	suffix   string // the capture of its number; "": it has none
	optional bool
}

type headerParam struct {
	name     string // of the capture, or
	literal  string
	channels bool // (@<name>)
	optional bool
}

// maxOptional bounds how many nodes of a header may be left out.
const maxOptional = 6

var (
	nodeForm  = regexp.MustCompile(`^(\*?[A-Za-z][A-Za-z0-9_]*)(?:<([A-Za-z_]\w*)>)?$`)
	paramForm = regexp.MustCompile(`^(\(@)?<([A-Za-z_]\w*)>(\))?$`)
)

// parseHeader reads a command as a file has it.
func parseHeader(text string) (*header, error) {
	text = strings.TrimSpace(text)
	head, params := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		head, params = text[:i], strings.TrimSpace(text[i:])
	}
	h := &header{}
	if head, h.query = strings.CutSuffix(head, "?"); head == "" {
		return nil, errors.New("a command is missing")
	}
	if err := h.parseNodes(head); err != nil {
		return nil, fmt.Errorf("%q is no SCPI command: %w", text, err)
	}
	if err := h.parseParams(params); err != nil {
		return nil, fmt.Errorf("%q is no SCPI command: %w", text, err)
	}
	return h, nil
}

// parseNodes reads [SOURce:]VOLTage[:LEVel].
func (h *header) parseNodes(head string) error {
	optional, left := false, 0
	rest := strings.TrimPrefix(head, ":")
	for rest != "" {
		switch rest[0] {
		case '[':
			if optional {
				return errors.New("a [ in brackets")
			}
			optional, rest = true, rest[1:]
			continue
		case ']':
			if !optional {
				return errors.New("a ] without its [")
			}
			optional, rest = false, rest[1:]
			continue
		case ':':
			rest = rest[1:]
			continue
		}
		end := strings.IndexAny(rest, ":[]")
		if end < 0 {
			end = len(rest)
		}
		m := nodeForm.FindStringSubmatch(rest[:end])
		if m == nil {
			return fmt.Errorf("%q is no mnemonic, which is of letters and digits, with <name> behind it where a number may stand", rest[:end])
		}
		if optional {
			left++
		}
		h.nodes = append(h.nodes, headerNode{form: m[1], suffix: m[2], optional: optional})
		rest = rest[end:]
	}
	switch {
	case optional:
		return errors.New("a [ without its ]")
	case left > maxOptional:
		return fmt.Errorf("more than %d parts that may be left out", maxOptional)
	case left == len(h.nodes):
		return errors.New("nothing of it must be there")
	}
	return nil
}

// parseParams reads <v>[,<unit>],(@<ch>).
func (h *header) parseParams(text string) error {
	if text == "..." {
		h.any = true
		return nil
	}
	optional := false
	rest := text
	for rest != "" {
		switch rest[0] {
		case '[':
			optional, rest = true, rest[1:]
			continue
		case ']':
			optional, rest = false, rest[1:]
			continue
		case ',', ' ', '\t':
			rest = rest[1:]
			continue
		}
		end := strings.IndexAny(rest, ",[] \t")
		if q := rest[0]; q == '"' || q == '\'' {
			if end = strings.IndexByte(rest[1:], q); end < 0 {
				return errors.New("a quote that is not closed")
			}
			end += 2
		}
		if end < 0 {
			end = len(rest)
		}
		p := headerParam{literal: rest[:end], optional: optional}
		if m := paramForm.FindStringSubmatch(rest[:end]); m != nil && (m[1] != "") == (m[3] != "") {
			p = headerParam{name: m[2], channels: m[1] != "", optional: optional}
		} else if strings.ContainsAny(rest[:end], "<>(") {
			return fmt.Errorf("%q is no parameter: write <name>, (@<name>), or the text itself", rest[:end])
		}
		h.params = append(h.params, p)
		rest = rest[end:]
	}
	for i, p := range h.params[:max(len(h.params)-1, 0)] {
		if p.optional && !h.params[i+1].optional && !h.params[i+1].channels {
			return errors.New("a parameter that must be there stands behind one that may be left out")
		}
	}
	if optional {
		return errors.New("a [ without its ]")
	}
	return nil
}

// captures returns the names that the header gives.
func (h *header) captures() []string {
	var names []string
	for _, n := range h.nodes {
		if n.suffix != "" {
			names = append(names, n.suffix)
		}
	}
	for _, p := range h.params {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// channels returns the name of the list of channels, or "".
func (h *header) channels() string {
	for _, p := range h.params {
		if p.channels {
			return p.name
		}
	}
	return ""
}

// bind fits the parameters of a command to the header's. It returns what
// <name> stands for, into captures.
func (h *header) bind(params []param, captures map[string]string) error {
	if h.any {
		return nil
	}
	left := params
	for i, want := range h.params {
		if len(left) == 0 || want.channels != isChannelList(left[0].raw) {
			if len(left) > 0 && !want.optional {
				if want.channels && len(left) >= 1 && i == len(h.params)-1 {
					return scpiErrors.dataType
				}
				return scpiErrors.missingParameter
			}
			if !want.optional {
				return scpiErrors.missingParameter
			}
			captures[want.name] = ""
			continue
		}
		p := left[0]
		left = left[1:]
		if want.name == "" {
			if !isPath(want.literal, p.raw) {
				return scpiErrors.illegalValue
			}
			continue
		}
		captures[want.name] = p.value
	}
	if len(left) > 0 {
		return scpiErrors.parameterNotAllowed
	}
	return nil
}

func isChannelList(raw string) bool { return strings.HasPrefix(raw, "(@") }
