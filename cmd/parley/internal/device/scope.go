package device

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scope is what templates and expressions see while one request is answered.
type scope struct {
	session  *Session
	st       *state
	now      time.Time
	request  string
	captures map[string]string // by name or number, rest among them
	channel  int               // of a list of channels, the one that is answered for; 0: none
}

// capture returns what a part of the request was, or all of it.
func (sc *scope) capture(name string) string {
	if v, ok := sc.captures[name]; ok {
		return v
	}
	if name == "request" {
		return sc.request
	}
	return ""
}

// ref returns the variable's channel that a text names: a number, a capture or
// a variable. "" is the one that counts where none is named.
func (sc *scope) ref(v *variable, channel string) (ref, error) {
	if channel == "" {
		return sc.st.ref(v, sc.channel*min(v.hi, 1))
	}
	text := channel
	if strings.Trim(channel, "0123456789") == "" {
		// a number
	} else if c, ok := sc.captures[channel]; ok {
		if text = c; strings.TrimSpace(c) == "" { // it was left out
			return sc.st.ref(v, 0)
		}
	} else if other := sc.st.def.variables[channel]; other != nil {
		r, err := sc.st.ref(other, 0)
		if err != nil {
			return ref{}, err
		}
		text = show(sc.st.get(r))
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n == 0 {
		return ref{}, fmt.Errorf("%q is no channel of %s: %w", short(text), v.name, scpiErrors.suffixOutOfRange)
	}
	return sc.st.ref(v, n)
}
