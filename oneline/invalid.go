package oneline

import "github.com/parley-net/parley/wire"

// tagInvalid is the tag of a line that is not valid text, distinct from another
// protocol's tags.
const tagInvalid = 0x4F4C_0001

// Invalid reports whether m is a line that is not valid text. To a server that
// is one with bytes 80..FF, of which m.Text() is the rest and m.Bytes() all, as
// the original has it; with Protocol.UTF8 it is one that is not UTF-8. A client
// receives no such line.
func Invalid(m wire.Message) bool { return m.Tag() == tagInvalid }

// WithInvalid returns m marked as a line that is not valid text: for who decodes
// what others have said.
func WithInvalid(m wire.Message) wire.Message { return m.WithTag(tagInvalid) }

// DescribeTag returns "invalid" for the tag of a line that is not valid text.
func (Protocol) DescribeTag(tag uint32) string {
	if tag == tagInvalid {
		return "invalid"
	}
	return ""
}

var _ wire.Describer = Protocol{}
