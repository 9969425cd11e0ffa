// Package doctor finds out what a peer speaks: by listening first, and by saying a few
// words if it may.
package doctor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parley-net/parley/wire"
)

// Peer is what is examined. Dial connects once; it is called for each try.
type Peer struct {
	Dial func(context.Context) (net.Conn, error)
	// Listen is how long a try waits for the peer's first bytes, and Quiet for more behind
	// them: twice Listen together, for a peer that does not stop.
	Listen, Quiet time.Duration
	// Tell is told each thing before it is done.
	Tell func(string)
}

// Finding is what was found.
type Finding struct {
	// Speaks is a protocol's name in a URL, or TLS, HTTP, SSH or telnet; "" if nobody knows.
	Speaks string
	// Query is what its URL needs besides: "?skip=1".
	Query string
	// Heard is how the peer's answer begins, Said what it answered: "" if it spoke unasked.
	Heard []byte
	Said  string
	// Closed says that the peer closed without a word.
	Closed bool
}

// maxHeard is how much of an answer is looked at, in bytes.
const maxHeard = 4 << 10

// word is something that can be said, and how its answer is known.
type word struct {
	name, bytes string
	bye         string // what makes the peer's server go on to the next client
	speaks      func(answer []byte) string
}

// words are those that Examine may say, the least harmful one first.
func words() []word {
	return []word{
		{`"ping"`, "ping\n", "disconnect\n", func(b []byte) string {
			if bytes.Equal(bytes.TrimSpace(b), []byte("pong")) {
				return "oneline"
			}
			return ""
		}},
		{`"*IDN?"`, "*IDN?\n", "", func(b []byte) string {
			if isText(b) && bytes.ContainsAny(b, "\r\n") {
				return "scpi"
			}
			return ""
		}},
		{"FF, tinyproto's hello", "\xff", "", func(b []byte) string {
			if len(b) > 0 && b[0] == 0xff {
				return "tinyproto"
			}
			return ""
		}},
	}
}

// Examine listens, and if it may and nothing has come, it speaks. An error is that of
// Dial, or of ctx.
func (p *Peer) Examine(ctx context.Context, speak bool) (Finding, error) {
	p.Tell("listening for " + p.Listen.String())
	first, err := p.try(ctx, word{})
	if err != nil {
		return Finding{}, err
	}
	f := judge(first.bytes)
	if first.more {
		f.Query = "" // no greeting, as that ends
	}
	f.Closed = first.closed && len(first.bytes) == 0
	if f.Speaks != "" || !speak || len(first.bytes) > 0 {
		return f, nil
	}
	for _, w := range words() {
		p.Tell("saying " + w.name)
		got, err := p.try(ctx, w)
		if err != nil {
			return Finding{}, err
		}
		answer := got.bytes
		if len(answer) == 0 {
			f.Closed = got.closed
			continue
		}
		f = Finding{Speaks: w.speaks(answer), Heard: answer, Said: strings.TrimSuffix(w.bytes, "\n")}
		if f.Speaks == "" {
			f.Speaks = judge(answer).Speaks
		}
		if f.Speaks != "" && f.Speaks != "line" {
			return f, nil
		}
	}
	return f, nil
}

// heard is what came of a try.
type heard struct {
	bytes  []byte
	closed bool // by the peer
	more   bool // the peer had not stopped
}

// try connects, says a word and listens.
func (p *Peer) try(ctx context.Context, w word) (h heard, err error) {
	nc, err := p.Dial(ctx)
	if err != nil {
		return h, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if w.bytes != "" {
		nc.SetWriteDeadline(time.Now().Add(p.Listen))
		if _, err := io.WriteString(nc, w.bytes); err != nil {
			return heard{closed: true}, ctx.Err()
		}
	}
	p.listen(ctx, nc, &h)
	if w.bye != "" {
		io.WriteString(nc, w.bye)
		if len(h.bytes) == 0 && !h.closed {
			p.leave(nc)
		}
	}
	return h, ctx.Err()
}

// listen hears the peer until it has been silent for a while, or for long enough.
func (p *Peer) listen(ctx context.Context, nc net.Conn, h *heard) {
	now := time.Now()
	until, silent := now.Add(2*p.Listen), now.Add(p.Listen)
	for len(h.bytes) < maxHeard && ctx.Err() == nil {
		if h.more = silent.After(until); h.more {
			silent = until
		}
		nc.SetReadDeadline(silent)
		buf := make([]byte, maxHeard-len(h.bytes))
		n, err := nc.Read(buf)
		h.bytes = append(h.bytes, buf[:n]...)
		if err != nil {
			h.closed = !errors.Is(err, os.ErrDeadlineExceeded)
			h.more = h.more && !h.closed
			return
		}
		silent = time.Now().Add(p.Quiet)
	}
	h.more = true
}

// stay is how long a server that may be busy is given to come to a farewell.
const stay = 5 * time.Second

// leave ends our stream and waits for the end of the peer's. A oneline server that
// serves somebody else first does not survive that we are gone when it has come to
// what we said; others close at once.
func (p *Peer) leave(nc net.Conn) {
	w, ok := nc.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil {
		return
	}
	nc.SetReadDeadline(time.Now().Add(p.Listen))
	if _, err := io.Copy(io.Discard, nc); !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	p.Tell("leaving; it may be serving somebody else, so it has up to " + stay.String() + " to notice")
	nc.SetReadDeadline(time.Now().Add(stay))
	io.Copy(io.Discard, nc)
}

// judge tells what a peer speaks that began with heard by itself.
func judge(heard []byte) Finding {
	f := Finding{Heard: heard}
	switch {
	case len(heard) == 0:
	case len(heard) >= 2 && heard[0] == 0xff && heard[1] >= 0xfb && heard[1] <= 0xfe:
		f.Speaks = "telnet"
	case wire.Recognize(heard) != "":
		f.Speaks = wire.Recognize(heard)
	case isText(heard):
		f.Speaks, f.Query = "line", greeting(heard)
	}
	return f
}

// isText reports whether b is text as devices send it.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && !strings.ContainsRune("\r\n\t\x07\x1b\x00", r) {
			return false
		}
		b = b[n:]
	}
	return true
}

// greeting returns the options of line:// for what a device says before anything else:
// so many lines, and a prompt behind them.
func greeting(b []byte) string {
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	prompt := lines[len(lines)-1]
	if strings.TrimSpace(prompt) != "" {
		return "?prompt=" + strings.ReplaceAll(url.QueryEscape(prompt), "+", "%20")
	}
	if n := len(lines) - 1; n > 0 {
		return "?skip=" + strconv.Itoa(n)
	}
	return ""
}
