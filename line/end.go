package line

import (
	"errors"
	"fmt"
	"strings"
)

// What ends a message, for Ends and Protocol.Send.
const (
	LF   = "\n"
	CR   = "\r"
	CRLF = "\r\n"
	NUL  = "\x00"
)

// Same, as Protocol.Send, is what the peer's last message ended with: LF after an
// LF; after a CR, CR LF until a byte other than LF has followed a CR on this
// connection, and CR from then on. Before the first message it is LF, or the first
// of Ends.
const Same = "\x00same"

// End is a set of byte strings, each of which ends a message. The zero value is
// Any. It is comparable.
//
// The first end that is complete ends the message, the longest if several are
// complete with the same byte. If it begins a longer one, as CR begins CR LF, the
// message is delivered at once, and what comes next and makes it the longer one is
// dropped, also if it comes later.
type End struct {
	set   string // of each, its length in a byte and itself
	lasts string // their last bytes, each once
	ext   uint16 // by number: it begins a longer one
	bad   badEnd
	ones  bool // the end of number k is lasts[k] alone; the others begin with one of these
}

// badEnd is what is wrong with a set.
type badEnd uint8

const (
	endsGood badEnd = iota
	endsNone
	endsMany
	endsEmpty
	endsLong
	endsNested
	endsInside
)

var badEnds = [...]string{
	endsNone:   "end is an empty set: leave it out for any end of line",
	endsMany:   "end has more than 16 ends",
	endsEmpty:  "end contains an empty one: nothing can't end a message",
	endsLong:   "end contains one of more than 64 bytes",
	endsNested: "end contains one that begins with another, and has a third one behind that: they can't be told apart",
	endsInside: "end contains one with another in its middle: that one would always be complete first",
}

// Ends returns the set of the given ends.
func Ends(ends ...string) End {
	var e End
	if len(ends) == 0 {
		e.bad = endsNone
	}
	if len(ends) > mostEnds {
		e.bad, ends = endsMany, ends[:mostEnds]
	}
	for _, s := range ends {
		switch {
		case s == "":
			e.bad = endsEmpty
			continue
		case len(s) > longestEnd:
			e.bad = endsLong
			continue
		case e.has(s):
			continue
		}
		e.set += string([]byte{byte(len(s))}) + s
		if last := s[len(s)-1:]; !strings.Contains(e.lasts, last) {
			e.lasts += last
		}
	}
	for k := range e.len() {
		for j := range e.len() {
			if j == k || !strings.HasPrefix(e.at(j), e.at(k)) {
				continue
			}
			e.ext |= 1 << k
			tail := e.at(j)[len(e.at(k)):]
			if e.in([]byte(tail[:len(tail)-1])) {
				e.bad = endsNested
			}
		}
	}
	for k := range e.len() {
		if s := e.at(k); len(s) > 2 && e.bad == endsGood && e.in([]byte(s[1:len(s)-1])) {
			e.bad = endsInside
		}
	}
	e.ones = e.lasts != ""
	for k := range e.len() {
		one := e.at(k)
		e.ones = e.ones && (k < len(e.lasts) && one == e.lasts[k:k+1] || k >= len(e.lasts) && strings.Contains(e.lasts, one[:1]))
	}
	return e
}

// any is what the zero End stands for. Its first is what is sent before anything
// has been received.
const (
	anySet   = "\x01\n\x01\r\x02\r\n"
	anyLasts = "\n\r"
	anyExt   = 1 << 1
)

func (e End) orAny() End {
	if e.set == "" {
		return End{set: anySet, lasts: anyLasts, ext: anyExt, ones: true}
	}
	return e
}

// Closes reports whether the last bytes of b are one of e, so that a message would end
// with b.
func (e End) Closes(b []byte) bool {
	e = e.orAny()
	for k := range e.len() {
		if strings.HasSuffix(string(b), e.at(k)) {
			return true
		}
	}
	return false
}

func (e End) check() error {
	if e.bad != endsGood {
		return errors.New(badEnds[e.bad])
	}
	return nil
}

// String names the ends: "LF, CR LF".
func (e End) String() string {
	if e.set == "" || e.set == anySet {
		return "any end of line"
	}
	var names []string
	for k := range e.len() {
		names = append(names, endName(e.at(k)))
	}
	return strings.Join(names, ", ")
}

func endName(s string) string {
	switch s {
	case LF:
		return "LF"
	case CR:
		return "CR"
	case CRLF:
		return "CR LF"
	case NUL:
		return "NUL"
	}
	return fmt.Sprintf("%q", s)
}

// len returns how many ends there are.
func (e *End) len() (n int) {
	for rest := e.set; rest != ""; rest = rest[1+rest[0]:] {
		n++
	}
	return n
}

// at returns the end of number k.
func (e *End) at(k int) string {
	rest := e.set
	for ; k > 0; k-- {
		rest = rest[1+rest[0]:]
	}
	return rest[1 : 1+rest[0]]
}

// has reports whether s is in the set.
func (e *End) has(s string) bool {
	for rest := e.set; rest != ""; rest = rest[1+rest[0]:] {
		if rest[1:1+rest[0]] == s {
			return true
		}
	}
	return false
}

// longest returns the length of the longest end.
func (e *End) longest() (n int) {
	for rest := e.set; rest != ""; rest = rest[1+rest[0]:] {
		n = max(n, int(rest[0]))
	}
	return n
}

// complete returns the number and the length of the longest end that p ends with, or -1. No
// end is complete in p before its last byte, which is one of lasts.
func (e *End) complete(p []byte) (k, size int) {
	last := p[len(p)-1]
	if e.ones { // one that begins with another is never complete before that
		return strings.IndexByte(e.lasts, last), 1
	}
	found, number := -1, 0
	for rest := e.set; rest != ""; number++ {
		n := int(rest[0])
		one := rest[1 : 1+n]
		if rest = rest[1+n:]; one[n-1] != last || n <= size || n > len(p) {
			continue
		}
		if from := p[len(p)-n:]; n == 1 || from[0] == one[0] && string(from) == one {
			found, size = number, n
		}
	}
	return found, size
}

// in reports whether p contains an end.
func (e *End) in(p []byte) bool {
	var s scanner
	_, v := s.next(e, p, false, len(p))
	return v == ended
}

// extended reports whether end k begins a longer one.
func (e *End) extended(k int) bool { return e.ext>>k&1 != 0 }

// extendable returns the number of the end s, plus one, if it begins a longer one;
// else 0.
func (e *End) extendable(s string) uint8 {
	for k, rest := 0, e.set; rest != "" && e.ext>>k != 0; k, rest = k+1, rest[1+rest[0]:] {
		if e.extended(k) && rest[1:1+rest[0]] == s {
			return uint8(k + 1)
		}
	}
	return 0
}

// rest tells what of p, which follows end k, makes it a longer one: size bytes;
// wait says that more of p is needed to know.
func (e *End) rest(p []byte, k int) (size int, wait bool) {
	short := e.at(k)
	for rest := e.set; rest != ""; rest = rest[1+rest[0]:] {
		long := rest[1 : 1+rest[0]]
		if len(long) <= len(short) || !strings.HasPrefix(long, short) {
			continue
		}
		switch tail := long[len(short):]; {
		case len(p) >= len(tail):
			if string(p[:len(tail)]) == tail {
				size = max(size, len(tail))
			}
		case string(p) == tail[:len(p)]:
			wait = true
		}
	}
	return size, wait
}

// longer returns the longest end that end k begins.
func (e *End) longer(k int) string {
	found := e.at(k)
	for j := range e.len() {
		if s := e.at(j); len(s) > len(found) && strings.HasPrefix(s, e.at(k)) {
			found = s
		}
	}
	return found
}

// begun returns what makes one end a longer one, if it contains the prompt or the
// prompt begins with it; else "".
func (e *End) begun(prompt string) string {
	for k := range e.len() {
		for j := range e.len() {
			tail, longer := strings.CutPrefix(e.at(j), e.at(k))
			if longer && tail != "" && prompt != "" && (strings.Contains(tail, prompt) || strings.HasPrefix(prompt, tail)) {
				return tail
			}
		}
	}
	return ""
}
