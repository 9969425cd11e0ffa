package device

import "strings"

// A mnemonic is a word of SCPI as its manuals write it: MEASure may be sent as
// MEAS or MEASURE, in any case, and as nothing in between.

// shortOf returns the short form of a mnemonic: what of it is not in lower case. A word without
// capitals has one form.
func shortOf(form string) string {
	short := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return -1
		}
		return r
	}, form)
	if strings.IndexFunc(form, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return strings.ToUpper(form)
	}
	return short
}

// isMnemonic reports whether word is form in its short or long form.
func isMnemonic(form, word string) bool {
	return strings.EqualFold(word, form) || strings.EqualFold(word, shortOf(form))
}

// isPath reports whether words, joined by colons, are forms, one by one:
// VOLTage:AC. Text that is written as it is fits too.
func isPath(form, text string) bool {
	for {
		f, restOfForm, moreForm := strings.Cut(form, ":")
		t, restOfText, moreText := strings.Cut(text, ":")
		if !isMnemonic(f, t) || moreForm != moreText {
			return false
		}
		if !moreForm {
			return true
		}
		form, text = restOfForm, restOfText
	}
}

// shortPath returns the short forms of words joined by colons.
func shortPath(form string) string {
	words := strings.Split(form, ":")
	for i, w := range words {
		words[i] = shortOf(w)
	}
	return strings.Join(words, ":")
}
