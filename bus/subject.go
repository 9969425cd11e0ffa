package bus

import (
	"fmt"
	"strconv"
	"strings"
)

// Token makes one token of any name: letters a to z, digits, _ and - stay, every
// other byte becomes =XX. The empty name becomes "=".
func Token(name string) string {
	if name == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// Name returns the name that Token made a token of.
func Name(token string) (string, error) {
	switch token {
	case "":
		return "", fmt.Errorf("%w: an empty token", ErrBadSubject)
	case "=":
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b.WriteByte(c)
			continue
		}
		if c != '=' || i+3 > len(token) {
			return "", fmt.Errorf("%w: token %q", ErrBadSubject, token)
		}
		n, err := strconv.ParseUint(token[i+1:i+3], 16, 8)
		if err != nil || plain(byte(n)) || token[i+1:i+3] != fmt.Sprintf("%02X", n) {
			return "", fmt.Errorf("%w: token %q", ErrBadSubject, token)
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), nil
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// CheckSubject returns an error if subject is none; pattern allows wildcards.
func CheckSubject(subject string, pattern bool) error {
	tokens := strings.Split(subject, ".")
	for i, t := range tokens {
		wild := t == "*" || t == ">" && i == len(tokens)-1
		if t == "" || strings.ContainsAny(t, " \t\r\n\x00") || !(pattern && wild) && strings.ContainsAny(t, "*>") {
			return fmt.Errorf("%w: %q", ErrBadSubject, subject)
		}
	}
	return nil
}

// Matches reports whether subject is one that pattern means.
func Matches(pattern, subject string) bool {
	for {
		p, pRest, pMore := strings.Cut(pattern, ".")
		s, sRest, sMore := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != s, pMore != sMore && pRest != ">":
			return false
		case !sMore:
			return !pMore
		case !pMore:
			return false
		}
		pattern, subject = pRest, sRest
	}
}
