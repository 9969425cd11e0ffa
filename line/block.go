package line

import (
	"strconv"

	"github.com/parley-net/parley/wire"
)

// Block returns the data of the first IEEE 488.2 arbitrary block of m, without its
// header, and whether there is one: of "CURV #15hello" it is "hello". A block
// stands where a data element may begin: at the beginning of the message, or
// behind a blank, a comma, a semicolon or a colon, outside of quotes. The data of
// #0 is all that follows. It refers to m's bytes.
func Block(m wire.Message) (data []byte, ok bool) {
	p := m.Bytes()
	s := scanner{}
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '#' && s.quote == 0 && s.begins(p, i):
			size, v := header(p[i:], len(p)-i)
			if v != inBlock {
				continue
			}
			if size == 0 {
				return p[i+2:], true
			}
			return p[i+2+int(p[i+1]-'0') : i+int(size)], true
		case c == '"' || c == '\'':
			switch s.quote {
			case 0:
				s.quote = c
			case c:
				s.quote = 0
			}
		}
	}
	return nil, false
}

// AppendBlock appends data as a block of IEEE 488.2 to dst: #15hello. From 10^9
// bytes on, for which the header has no room, it is one of unknown size (#0), whose
// data must not hold an end.
func AppendBlock(dst, data []byte) []byte {
	size := strconv.Itoa(len(data))
	if len(size) > 9 {
		return append(append(dst, "#0"...), data...)
	}
	dst = append(dst, '#', '0'+byte(len(size)))
	dst = append(dst, size...)
	return append(dst, data...)
}
