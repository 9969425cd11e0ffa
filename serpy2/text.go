package serpy2

import "unicode/utf8"

// textCheck finds out whether text that comes in pieces is UTF-8.
type textCheck struct {
	part [utf8.UTFMax]byte // a rune cut by the end of a piece
	n    uint8             // how much of it is there
	bad  bool
}

func (c *textCheck) write(p []byte) {
	for c.n > 0 && len(p) > 0 {
		c.part[c.n] = p[0]
		c.n++
		p = p[1:]
		if rune := c.part[:c.n]; utf8.FullRune(rune) {
			c.bad = c.bad || !utf8.Valid(rune)
			c.n = 0
		}
	}
	tail := len(p)
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				tail -= i
			}
			break
		}
	}
	c.bad = c.bad || !utf8.Valid(p[:tail])
	c.n += uint8(copy(c.part[c.n:], p[tail:]))
}

// valid reports whether all that was written is UTF-8 and ends with a whole
// rune.
func (c *textCheck) valid() bool { return !c.bad && c.n == 0 }
