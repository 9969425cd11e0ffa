package device

import (
	"iter"
	"strconv"
	"strings"
)

// maxHeader is the longest header that a command may have, its path included.
const maxHeader = 255

// unit is one command of a SCPI line.
type unit struct {
	text   string // all of it, its path in front, without blanks around it
	header string // VOLT:RANG or *IDN, without the question mark
	query  bool
	params string // what is behind the header
	err    error
}

// units returns the commands of a line, which semicolons part. A header that
// begins with neither a colon nor a star goes on from the path of the command before it.
func units(line string) iter.Seq[unit] {
	return func(yield func(unit) bool) {
		path := ""
		for len(line) > 0 {
			end, err := unitEnd(line)
			text := strings.Trim(line[:end], blanks)
			line = line[min(end+1, len(line)):]
			if text == "" && err == nil {
				continue
			}
			u := parseUnit(text, &path)
			if err != nil {
				u.err = err
			}
			if !yield(u) {
				return
			}
		}
	}
}

// blanks are what IEEE 488.2 takes for white space: all controls but the line
// feed, which ends a message, and that too.
const blanks = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "

// unitEnd returns where the semicolon stands that ends the first command of a
// line, or the line's length.
func unitEnd(line string) (int, error) {
	for i := 0; i < len(line); {
		if line[i] == ';' {
			return i, nil
		}
		next, err := element(line, i)
		if err != nil {
			return len(line), err
		}
		i = next
	}
	return len(line), nil
}

// element returns where the byte, the quoted text or the block that begins at i
// ends.
func element(line string, i int) (int, error) {
	switch c := line[i]; c {
	case '"', '\'':
		end := strings.IndexByte(line[i+1:], c)
		if end < 0 {
			return len(line), scpiErrors.invalidString
		}
		return i + end + 2, nil // a doubled quote begins the next piece
	case '#':
		if i > 0 && !strings.ContainsRune(blanks+",;:", rune(line[i-1])) {
			return i + 1, nil
		}
		_, end, ok := block(line[i:])
		if !ok {
			return i + 1, nil
		}
		if end < 0 {
			return len(line), scpiErrors.invalidBlock
		}
		return i + end, nil
	}
	return i + 1, nil
}

// block returns the data of the IEEE 488.2 block that s begins with, and where
// it ends; -1: it is not whole. ok says that it is a block.
func block(s string) (data string, end int, ok bool) {
	if len(s) < 2 || s[0] != '#' || s[1] < '0' || s[1] > '9' {
		return "", 0, false
	}
	digits := int(s[1] - '0')
	if digits == 0 {
		return s[2:], len(s), true // to the end of the message
	}
	if len(s) < 2+digits {
		return "", 0, false
	}
	for _, c := range []byte(s[2 : 2+digits]) {
		if c < '0' || c > '9' {
			return "", 0, false
		}
	}
	n, _ := strconv.Atoi(s[2 : 2+digits])
	if len(s)-2-digits < n {
		return "", -1, true
	}
	return s[2+digits : 2+digits+n], 2 + digits + n, true
}

// parseUnit reads one command, and carries the path on.
func parseUnit(text string, path *string) unit {
	end := strings.IndexAny(text, blanks)
	head, params := text, ""
	if end >= 0 {
		head, params = text[:end], strings.TrimLeft(text[end:], blanks)
	}
	var u unit
	if q := strings.IndexByte(head, '?'); q >= 0 { // "MEAS?(@1)" is sent, too
		params = strings.TrimLeft(text[q+1:], blanks)
		u.query, head = true, head[:q]
	}
	u.params = params
	if len(head) > maxHeader || len(head)+len(*path) > maxHeader {
		u.text, u.header, u.err = text, head[:min(len(head), maxHeader)], scpiErrors.mnemonicTooLong
		return u
	}
	common := strings.HasPrefix(head, "*")
	switch {
	case common:
	case strings.HasPrefix(head, ":"):
		head = head[1:]
	default:
		head = *path + head
	}
	if !common {
		*path = head[:strings.LastIndexByte(head, ':')+1]
	}
	u.header = head
	u.text = u.join()
	if head == "" || strings.Contains(head, "::") || strings.HasSuffix(head, ":") {
		u.err = scpiErrors.syntax
	}
	return u
}

// join returns the command with its path in front.
func (u unit) join() string {
	s := u.header
	if u.query {
		s += "?"
	}
	if u.params != "" {
		s += " " + u.params
	}
	return s
}

// param is a parameter of a command.
type param struct {
	raw   string // as it was sent
	value string // without its quotes; of a block: its data
}

// maxParams bounds how many parameters a command may have.
const maxParams = 10000

// splitParams returns the parameters, which commas part.
func splitParams(text string) ([]param, error) {
	if text == "" {
		return nil, nil
	}
	var out []param
	depth, start := 0, 0
	add := func(end int) error {
		p, err := newParam(strings.Trim(text[start:end], blanks))
		out = append(out, p)
		return err
	}
	for i := 0; i < len(text); {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth > 0 {
				break
			}
			if err := add(i); err != nil {
				return nil, err
			}
			if len(out) > maxParams {
				return nil, scpiErrors.parameterNotAllowed
			}
			start = i + 1
		}
		next, err := element(text, i)
		if err != nil {
			return nil, err
		}
		i = next
	}
	return out, add(len(text))
}

// newParam reads one parameter.
func newParam(raw string) (param, error) {
	p := param{raw: raw, value: raw}
	if raw == "" {
		return p, scpiErrors.syntax
	}
	if data, end, ok := block(raw); ok {
		if end != len(raw) {
			return p, scpiErrors.invalidBlock
		}
		p.value = data
		return p, nil
	}
	if q := raw[0]; q == '"' || q == '\'' {
		if len(raw) < 2 || raw[len(raw)-1] != q {
			return p, scpiErrors.invalidString
		}
		p.value = strings.ReplaceAll(raw[1:len(raw)-1], raw[:1]+raw[:1], raw[:1])
	}
	return p, nil
}

// channelList reads (@1,3:5) into the numbers of channels.
func channelList(s string) ([]int, error) {
	s = strings.ReplaceAll(s, " ", "")
	inner, ok := strings.CutPrefix(s, "(@")
	inner, ok2 := strings.CutSuffix(inner, ")")
	if !ok || !ok2 {
		return nil, scpiErrors.dataType
	}
	var out []int
	for item := range strings.SplitSeq(inner, ",") {
		from, to, isRange := strings.Cut(item, ":")
		if !isRange {
			to = from
		}
		a, err := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err != nil || err2 != nil || a < 1 || b < 1 {
			return nil, scpiErrors.dataType
		}
		step := 1
		if b < a {
			step = -1
		}
		for ch := a; ; ch += step {
			if len(out) == maxChannels {
				return nil, scpiErrors.suffixOutOfRange
			}
			out = append(out, ch)
			if ch == b {
				break
			}
		}
	}
	return out, nil
}
