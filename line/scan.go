package line

import "bytes"

// A scanner looks for the end of a line. All its places count from the first byte
// that the machine has not consumed. It looks at no byte twice for the same thing,
// however often it is called with more of them: at the beginning of a batch it may
// look far ahead for an end's last byte, and remembers that.
type scanner struct {
	at     int32 // where it is: before it there is no end
	start  int32 // where the line begins
	block  int32 // where the last block of the message ends; 0: there is none
	clear  int32 // between at and clear there is no last byte of an end
	first  int32 // nor, between at and first, that of the first end
	quoted int32 // how far quotes have been looked for
	quote  byte  // inside a string: its quote
	toEnd  bool  // behind #0: all that comes up to the end is data
	inner  bool  // the beginning of the line is not that of a message
}

// verdict is what a scanner has found.
type verdict uint8

const (
	endless   verdict = iota // no end yet
	undecided                // what stands at s.at may become a block
	inBlock                  // the block at s.at is not whole
	ended                    // the line has ended
	overBlock                // the block at s.at announces more than is taken
	overLine                 // there is more than is taken before s.at
)

// A span is what a scanner has found of a line.
type span struct {
	end  int   // where its content ends
	next int   // where what follows begins
	k    int   // what has ended it
	size int64 // of inBlock and overBlock: where the block ends
}

// floor is where an end may begin.
func (s *scanner) floor() int { return int(max(s.start, s.block)) }

// next looks for the end of the line in p. limit is how long a message may be.
func (s *scanner) next(e *End, p []byte, blocks bool, limit int) (found span, v verdict) {
	for {
		i := s.candidate(e.lasts, p)
		if blocks && !s.toEnd {
			if h := bytes.IndexByte(p[s.at:i], '#'); h >= 0 {
				s.at += int32(h)
				if size, v := s.hash(p, limit); v != endless {
					return span{size: size}, v
				}
				continue
			}
		}
		s.at = int32(i)
		if i == len(p) {
			return span{}, endless
		}
		s.at++
		if k, size := e.complete(p[s.floor():s.at]); k >= 0 {
			return span{end: int(s.at) - size, next: int(s.at), k: k}, ended
		}
	}
}

// candidate returns the place of the first byte of p behind s.at that may complete
// an end, or len(p).
func (s *scanner) candidate(lasts string, p []byte) int {
	from := int(max(s.at, s.clear))
	i := max(from, int(s.first))
	if x := bytes.IndexByte(p[i:], lasts[0]); x >= 0 {
		i += x
	} else {
		i = len(p)
	}
	s.first = int32(i)
	switch len(lasts) {
	case 1:
	case 2:
		if x := bytes.IndexByte(p[from:i], lasts[1]); x >= 0 {
			i = from + x
		}
	default:
		i = from + firstOf(p[from:i], lasts[1:])
	}
	s.clear = int32(i)
	return i
}

// firstOf returns the place of the first byte of p that is one of set, or len(p).
// It looks through windows, so that a byte that never comes is not looked for in
// all of p each time.
func firstOf(p []byte, set string) int {
	window := 64
	for from := 0; from < len(p); window = min(2*window, 4096) {
		q := p[from:min(from+window, len(p))]
		size, found := len(q), false
		for j := range len(set) {
			if x := bytes.IndexByte(q, set[j]); x >= 0 {
				q, found = q[:x], true
			}
		}
		if found {
			return from + len(q)
		}
		from += size
	}
	return len(p)
}

// hash looks at the # at s.at and moves behind it, or behind the block that it
// begins, unless more of p is needed, or there is too much. With inBlock and
// overBlock, size is where the block ends.
func (s *scanner) hash(p []byte, limit int) (size int64, v verdict) {
	at := int(s.at)
	s.lookForQuotes(p[:at])
	if s.quote != 0 || !s.begins(p, at) {
		s.at++
		return 0, endless
	}
	if at > limit {
		return 0, overLine
	}
	size, v = header(p[at:], limit-at)
	switch {
	case v == endless: // text
		s.at++
		return 0, endless
	case v == inBlock && size == 0:
		s.at += 2
		s.block, s.toEnd = s.at, true
		return 0, endless
	case v == inBlock && int64(len(p)-at) >= size:
		s.at += int32(size)
		s.block, s.quoted = s.at, s.at
		return 0, endless
	}
	return int64(at) + size, v
}

// lookForQuotes notes which of the strings that begin in p has not ended.
func (s *scanner) lookForQuotes(p []byte) {
	for _, c := range p[s.quoted:] {
		if c != '"' && c != '\'' {
			continue
		}
		switch s.quote {
		case 0:
			s.quote = c
		case c:
			s.quote = 0
		}
	}
	s.quoted = int32(len(p))
}

// begins reports whether a data element may begin at p[i].
func (s *scanner) begins(p []byte, i int) bool {
	switch i {
	case int(s.start):
		return !s.inner
	case int(s.block):
		return false // directly behind a block
	}
	return isSeparator(p[i-1])
}

func isSeparator(c byte) bool {
	switch c {
	case ' ', '\t', ',', ';', ':':
		return true
	}
	return false
}

// header reads the header of a block at the beginning of p: inBlock and its whole
// size, 0 for one of unknown size; overBlock if it has more than limit bytes;
// endless if it is none, undecided while that is not known.
func header(p []byte, limit int) (size int64, v verdict) {
	if len(p) < 2 {
		return 0, undecided
	}
	digits := int(p[1] - '0')
	switch {
	case digits > 9:
		return 0, endless
	case digits == 0:
		return 0, inBlock
	}
	for i := range digits {
		if 2+i == len(p) {
			return 0, undecided
		}
		d := p[2+i] - '0'
		if d > 9 {
			return 0, endless
		}
		size = size*10 + int64(d)
	}
	size += int64(2 + digits)
	if size > int64(limit) {
		return size, overBlock
	}
	return size, inBlock
}
