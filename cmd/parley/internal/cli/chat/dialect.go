package chat

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/b85"
)

// dialect is how a chat uses its wire.
type dialect struct {
	colon    string // between a name and what it says
	encoding serpy.Encoding
	serpy    bool
}

// newDialect returns the dialect of a chat at e, whose protocol it adapts.
func newDialect(e *endpoint.Endpoint) dialect {
	d := dialect{colon: ": "}
	if strings.HasPrefix(e.Protocol.Name(), "serpy") {
		d.colon = " : " // as in the chat clients among its samples
	}
	p, ok := e.Protocol.(serpy.Protocol)
	if !ok {
		return d
	}
	_, query, _ := strings.Cut(e.String(), "?")
	given, _ := url.ParseQuery(query) // Parse has accepted it
	if !given.Has("mode") {
		p.Mode = 2
	}
	if !given.Has("encoding") {
		p.Encoding, _ = serpy.LookupEncoding("utf-8") // there is one
	}
	e.Protocol = p
	d.serpy, d.encoding = true, p.Encoding
	return d
}

// line returns the line that a message is.
func (d dialect) line(m parley.Message) string {
	b := output.Payload(m)
	if !d.serpy || m.Type() != parley.TypeBytes {
		return string(b)
	}
	if mode, _ := serpy.Mode(m); mode == 0 && !bytes.ContainsRune(b, ' ') {
		// The sample server of serpy relays plain text as its base85. No line
		// of a chat client looks like that: it has " : " in it.
		if text, err := b85.Decode(nil, b); err == nil && bytes.Contains(text, []byte(" : ")) && utf8.Valid(text) {
			b = text
		}
	}
	if text, err := d.encoding.Decode(nil, b); err == nil {
		b = text
	}
	return string(b)
}
