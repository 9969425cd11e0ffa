package ask

import (
	"bytes"
	"regexp"
	"time"

	"github.com/parley-net/parley"
)

// Rule says what the answer to a question is: Count messages; with Until all up to
// the first that matches; with Quiet all until nothing has come for so long, but
// at least one.
type Rule struct {
	Count int // 0: a question has no answer
	Until *regexp.Regexp
	Quiet time.Duration
	// SCPI: a message without a question mark outside of quotes and blocks has no
	// answer, whatever the other fields say.
	SCPI bool
}

// Answered reports whether a question has an answer at all.
func (r Rule) Answered(question parley.Message) bool {
	if r.SCPI && !IsQuery(question.Bytes()) {
		return false
	}
	return r.Until != nil || r.Quiet > 0 || r.Count > 0
}

// complete reports whether these messages are the whole answer. With Quiet only
// silence tells.
func (r Rule) complete(answers int, last []byte) bool {
	switch {
	case r.Until != nil:
		return answers > 0 && r.Until.Match(last)
	case r.Quiet > 0:
		return false
	}
	return answers >= r.Count
}

// IsQuery reports whether a SCPI message has an answer: it has a question mark
// that stands neither in quotes nor in a block.
func IsQuery(p []byte) bool {
	element := true // a data element may begin, and so may a block
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '?':
			return true
		case c == '"' || c == '\'':
			n := bytes.IndexByte(p[i+1:], c)
			if n < 0 {
				return false
			}
			i += n + 1
			element = false
		case c == '#' && element:
			n := blockLen(p[i:])
			if n < 0 {
				return false // to the end of the message
			}
			i += n
			element = false
		default:
			element = c == ',' || c == ';' || c == ':' || c <= ' '
		}
	}
	return false
}

// blockLen returns how many bytes of a block stand behind the first one, or -1 if
// it runs to the end. What is no block has none.
func blockLen(p []byte) int {
	if len(p) < 2 || p[1] < '0' || p[1] > '9' {
		return 0
	}
	digits := int(p[1] - '0')
	if digits == 0 {
		return -1
	}
	if len(p) < 2+digits {
		return 0
	}
	n := 0
	for _, c := range p[2 : 2+digits] {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	if n > len(p)-2-digits {
		return -1
	}
	return 1 + digits + n
}
