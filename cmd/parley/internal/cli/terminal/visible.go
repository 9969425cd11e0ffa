package terminal

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendVisible appends b with what would act on a terminal escaped.
func AppendVisible(dst, b []byte) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, b[0])
		case r == '\t' || r == '\n' || unicode.IsPrint(r):
			dst = append(dst, b[:n]...)
		default:
			q := strconv.QuoteRune(r)
			dst = append(dst, q[1:len(q)-1]...)
		}
		b = b[n:]
	}
	return dst
}

// Visible returns s so escaped.
func Visible(s string) string { return string(AppendVisible(nil, []byte(s))) }

// AppendHarmless appends JSON with what could act on a terminal as \u.
func AppendHarmless(dst []byte, text string) []byte {
	dst = slices.Grow(dst, len(text))
	for _, c := range text {
		if c == '\n' || unicode.IsPrint(c) {
			dst = utf8.AppendRune(dst, c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			dst = fmt.Appendf(dst, `\u%04x`, unit)
		}
	}
	return dst
}

// visibleWriter writes to a terminal what can't act on it.
type visibleWriter struct{ w io.Writer }

// VisibleTo returns a writer to w, a terminal, of what can't act on it.
func VisibleTo(w io.Writer) io.Writer { return visibleWriter{w} }

// Write writes b with what would act on a terminal escaped.
func (v visibleWriter) Write(b []byte) (int, error) {
	if _, err := v.w.Write(AppendVisible(nil, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// AppendOneLine appends b with what would act on a terminal, or end the line,
// escaped.
func AppendOneLine(dst, b []byte) []byte {
	start := len(dst)
	dst = AppendVisible(dst, b)
	if bytes.IndexByte(dst[start:], '\n') < 0 {
		return dst
	}
	return append(dst[:start], bytes.ReplaceAll(bytes.Clone(dst[start:]), []byte("\n"), []byte(`\n`))...)
}
