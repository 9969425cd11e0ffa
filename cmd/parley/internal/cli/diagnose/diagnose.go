// Package diagnose says what may be wrong when there is no connection, no TLS, no greeting
// and no answer, from the error and from what has arrived.
package diagnose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
)

// NotConnected says why there is no connection to e.
func NotConnected(e endpoint.Endpoint, err error) error {
	var dns *net.DNSError
	hint := ""
	_, unix := e.Unix()
	_, port := e.Serial()
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case port: // its error says it all
	case errors.As(err, &dns):
		hint = "check the host's name"
	case errors.Is(err, fault.ConnRefused) && unix:
		hint = "the socket is there but no server listens on it: start the server"
	case errors.Is(err, fault.ConnRefused):
		hint = "nobody listens there: is the server running, and is the port right?"
	case errors.Is(err, os.ErrNotExist):
		hint = "there is no such socket: is the server running, and is the path right?"
	case errors.Is(err, os.ErrPermission):
		hint = "the socket's permissions do not let this user connect"
	case fault.IsTimeout(err):
		hint = "no answer at all: is the host up, and does a firewall drop the packets?"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address is in our own text
	}
	if fault.IsTimeout(err) {
		err = errors.New("timeout")
	}
	return &fault.Error{Code: fault.Connect, Err: fmt.Errorf("can't connect to %s: %w", e, err), Hint: hint}
}

// NoTLS says why the TLS handshake with e failed.
func NoTLS(e endpoint.Endpoint, err error) error {
	var (
		header  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		pin     *fault.PinError
	)
	code, hint := fault.TLS, ""
	plain := strings.Replace(e.String(), "+tls", "", 1)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case fault.IsTimeout(err):
		code = fault.Timeout
		err = errors.New("timeout: the peer did not answer the TLS greeting")
		hint = "it may not speak TLS: try " + plain
	case errors.As(err, &header):
		err = fmt.Errorf("the peer does not speak TLS: it sent % X", header.RecordHeader[:])
		hint = "try " + plain
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, fault.ConnReset):
		err = fmt.Errorf("the peer closed the connection in the TLS handshake: %w", err)
		hint = "it may not speak TLS: try " + plain
	case errors.As(err, &pin):
		hint = "somebody is in between, or the server has a new certificate; if it is yours, use --pin " + pin.Got
	case errors.As(err, &unknown):
		hint = "nobody we trust has signed it: give its CA with --ca FILE, or compare its fingerprint at the server and trust just this certificate with --pin " + wording.Fingerprint(unknown.Cert.Raw)
	case errors.As(err, &name):
		hint = "connect by a name that is in the certificate, or trust just this one with --pin " + wording.Fingerprint(name.Certificate.Raw)
	case errors.As(err, &invalid):
		hint = "the server needs a new certificate; --pin " + wording.Fingerprint(invalid.Cert.Raw) + " accepts it as it is"
	case strings.Contains(err.Error(), "certificate"):
		hint = "the server wants a client certificate that it trusts: --cert FILE --key FILE"
	}
	return &fault.Error{Code: code, Err: fmt.Errorf("TLS with %s: %w", e, err), Hint: hint}
}

// NoGreeting says why the protocol's greeting with e failed.
func NoGreeting(e endpoint.Endpoint, h *Heard, err error) error {
	if fault.IsTLS(err) { // since TLS 1.3 a client certificate is refused this late
		return NoTLS(e, fault.Bare(err))
	}
	a := h.Arrived()
	name := e.Protocol.Name()
	code := fault.Code(err)
	var hint string
	switch other := speaks(a.first); {
	case errors.Is(err, context.Canceled):
		return err
	case other == "TLS":
		code = fault.TLS
		hint = "the peer speaks TLS: try " + strings.Replace(e.String(), "://", "+tls://", 1)
	case slices.Contains(endpoint.Names(), other) && other != name:
		code = fault.Protocol
		hint = fmt.Sprintf("the peer seems to speak %s: try %s", other, strings.Replace(e.String(), name, other, 1))
	case other != "" && other != name:
		code = fault.Protocol
		hint = "the peer seems to speak " + other
	case a.Total == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		code = fault.Connect
		hint = "the peer closed without a word: it may be full, shutting down, or speak another protocol"
		if !e.TLS {
			hint += ", or TLS: try " + strings.Replace(e.String(), "://", "+tls://", 1)
		}
	case a.Total == 0 && name == "oneline":
		hint = "not a byte arrived: a oneline server serves one client at a time, the others wait; or the peer speaks another protocol, a plain device line: try " + asLine(e)
	case a.Total == 0:
		hint = "not a byte arrived: does the peer speak " + name + "?"
		if !e.TLS {
			hint += " It may wait for TLS: try " + strings.Replace(e.String(), "://", "+tls://", 1)
		}
	case isText(a.first) && name != "line" && name != "scpi":
		if hint = Unfinished(e.Protocol, a); hint == "" {
			hint = "the peer sends text: a plain device that ends its lines speaks line: try " + asLine(e)
		}
	default:
		hint = Unfinished(e.Protocol, a)
	}
	var refused *parley.RefusedError
	switch {
	case code != fault.Fail:
	case errors.As(err, &refused) && ' ' <= refused.Code && refused.Code <= '~':
		code = fault.Protocol // text: no refusal
	default:
		code = fault.Connect // refused, or the connection was lost at once
	}
	return &fault.Error{Code: code, Err: fmt.Errorf("greeting %s: %w", e, fault.Bare(err)), Hint: hint}
}

// asLine returns e as a device that just ends its lines.
func asLine(e endpoint.Endpoint) string {
	url, _, _ := strings.Cut(strings.Replace(e.String(), e.Protocol.Name(), "line", 1), "?")
	return url
}

// isText reports whether what a peer has sent first looks like text.
func isText(first []byte) bool {
	for _, c := range first {
		if (c < ' ' || c > '~') && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return len(first) > 0
}

// Explain adds to an error of an open connection what had arrived and what
// to do. c comes from dial.
func Explain(c *parley.Conn, err error) error {
	var known *fault.Error
	h, ok := c.NetConn().(*Heard)
	if err == nil || !ok || errors.As(err, &known) {
		return err
	}
	a := h.Arrived()
	hint := ""
	if other := speaks(a.first); other != "" && other != c.Protocol().Name() {
		hint = "the peer seems to speak " + other
	} else if stalled := unconfirmed(c); fault.IsTimeout(err) && stalled != "" {
		if strings.Contains(err.Error(), wire.ExplainSilence(c.Protocol())) {
			return err
		}
		hint = stalled
	} else if fault.IsTimeout(err) && a.Total == 0 {
		hint = "not a byte has come from the peer: does it speak " + c.Protocol().Name() + ", and does it answer to that?"
	} else if fault.IsTimeout(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		if hint = Unfinished(c.Protocol(), a); hint == "" && fault.IsTimeout(err) {
			hint = unended(c.Protocol(), a)
		}
	}
	if hint == "" {
		return err
	}
	return &fault.Error{Code: fault.Code(err), Err: fault.Bare(err), Hint: hint}
}

// unended shows the last that has come on line or scpi, where no end is behind it, and
// says what may be wrong, or returns "".
func unended(p parley.Protocol, a Arrival) string {
	l, ok := p.(line.Protocol)
	if !ok || a.Total == 0 || l.Prompt != "" || l.End.Closes(a.tail) {
		return ""
	}
	s := fmt.Sprintf("the last that came is %q, and no end of a message (%v) is behind it: ?end= says what the peer ends its messages with", a.tail, l.End)
	if l.Blocks {
		s += "; or a block in it announces more than came"
	}
	return s
}

// unconfirmed says how many messages the peer has not confirmed, and what that
// may mean, or returns "".
func unconfirmed(c *parley.Conn) string {
	why, s := wire.ExplainSilence(c.Protocol()), c.Stats()
	if why == "" || s.Confirmed >= s.MessagesOut {
		return ""
	}
	return wording.Plural(int(s.MessagesOut-s.Confirmed), "message") + " not confirmed: " + why
}

// speaks guesses what a peer speaks from the first bytes it has sent, or
// returns "".
func speaks(first []byte) string {
	return wire.Recognize(first)
}

// Unfinished describes a oneline line that has begun and not ended, or returns
// "".
func Unfinished(p parley.Protocol, a Arrival) string {
	line, ok := p.(oneline.Protocol)
	if !ok || a.Total == 0 {
		return ""
	}
	n, missing := a.sinceLF, "newline"
	switch line.EOL {
	case "\r":
		n, missing = a.sinceCR, "carriage return"
		if a.last == [2]byte{'\r', '\n'} {
			n = 0 // a peer that ends its lines with both: the line feed is trimmed
		}
	case "\r\n":
		missing = "carriage return and newline"
		if n == 0 && a.last[0] != '\r' {
			n = a.Total
		}
	}
	if n == 0 {
		return ""
	}
	s := fmt.Sprintf("%d bytes arrived, ending %02X, no %s", n, a.last[1], missing)
	switch a.last[1] {
	case '\r':
		s += ": the peer may end lines with CR; try ?eol=cr"
	case '\n':
		s += ": the peer may end lines with LF; try ?eol=lf"
	default:
		s += ": the line has no end"
	}
	return s
}
