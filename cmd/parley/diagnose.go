package main

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
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
)

// connectFault says why there is no connection to e.
func connectFault(e endpoint.Endpoint, err error) error {
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
	case errors.Is(err, connRefused) && unix:
		hint = "the socket is there but no server listens on it: start the server"
	case errors.Is(err, connRefused):
		hint = "nobody listens there: is the server running, and is the port right?"
	case errors.Is(err, os.ErrNotExist):
		hint = "there is no such socket: is the server running, and is the path right?"
	case errors.Is(err, os.ErrPermission):
		hint = "the socket's permissions do not let this user connect"
	case isTimeout(err):
		hint = "no answer at all: is the host up, and does a firewall drop the packets?"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address is in our own text
	}
	if isTimeout(err) {
		err = errors.New("timeout")
	}
	return &fault{code: exitConnect, err: fmt.Errorf("can't connect to %s: %w", e, err), hint: hint}
}

// tlsFault says why the TLS handshake with e failed.
func tlsFault(e endpoint.Endpoint, err error) error {
	var (
		header  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		pin     *pinError
	)
	code, hint := exitTLS, ""
	plain := strings.Replace(e.String(), "+tls", "", 1)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case isTimeout(err):
		code = exitTimeout
		err = errors.New("timeout: the peer did not answer the TLS greeting")
		hint = "it may not speak TLS: try " + plain
	case errors.As(err, &header):
		err = fmt.Errorf("the peer does not speak TLS: it sent % X", header.RecordHeader[:])
		hint = "try " + plain
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, connReset):
		err = fmt.Errorf("the peer closed the connection in the TLS handshake: %w", err)
		hint = "it may not speak TLS: try " + plain
	case errors.As(err, &pin):
		hint = "somebody is in between, or the server has a new certificate; if it is yours, use --pin " + pin.got
	case errors.As(err, &unknown):
		hint = "nobody we trust has signed it: give its CA with --ca FILE, or compare its fingerprint at the server and trust just this certificate with --pin " + fingerprint(unknown.Cert.Raw)
	case errors.As(err, &name):
		hint = "connect by a name that is in the certificate, or trust just this one with --pin " + fingerprint(name.Certificate.Raw)
	case errors.As(err, &invalid):
		hint = "the server needs a new certificate; --pin " + fingerprint(invalid.Cert.Raw) + " accepts it as it is"
	case strings.Contains(err.Error(), "certificate"):
		hint = "the server wants a client certificate that it trusts: --cert FILE --key FILE"
	}
	return &fault{code: code, err: fmt.Errorf("TLS with %s: %w", e, err), hint: hint}
}

// greetingFault says why the protocol's greeting with e failed.
func greetingFault(e endpoint.Endpoint, h *heard, err error) error {
	if isTLS(err) { // since TLS 1.3 a client certificate is refused this late
		return tlsFault(e, bare(err))
	}
	a := h.arrived()
	name := e.Protocol.Name()
	code := exitCode(err)
	var hint string
	switch other := speaks(a.first); {
	case errors.Is(err, context.Canceled):
		return err
	case other == "TLS":
		code = exitTLS
		hint = "the peer speaks TLS: try " + strings.Replace(e.String(), "://", "+tls://", 1)
	case slices.Contains(endpoint.Names(), other) && other != name:
		code = exitProtocol
		hint = fmt.Sprintf("the peer seems to speak %s: try %s", other, strings.Replace(e.String(), name, other, 1))
	case other != "" && other != name:
		code = exitProtocol
		hint = "the peer seems to speak " + other
	case a.total == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		code = exitConnect
		hint = "the peer closed without a word: it may be full, shutting down, or speak another protocol"
		if !e.TLS {
			hint += ", or TLS: try " + strings.Replace(e.String(), "://", "+tls://", 1)
		}
	case a.total == 0 && name == "oneline":
		hint = "not a byte arrived: a oneline server serves one client at a time, the others wait; or the peer speaks another protocol, a plain device line: try " + asLine(e)
	case a.total == 0:
		hint = "not a byte arrived: does the peer speak " + name + "?"
		if !e.TLS {
			hint += " It may wait for TLS: try " + strings.Replace(e.String(), "://", "+tls://", 1)
		}
	case isText(a.first) && name != "line" && name != "scpi":
		if hint = unfinished(e.Protocol, a); hint == "" {
			hint = "the peer sends text: a plain device that ends its lines speaks line: try " + asLine(e)
		}
	default:
		hint = unfinished(e.Protocol, a)
	}
	var refused *parley.RefusedError
	switch {
	case code != exitFail:
	case errors.As(err, &refused) && ' ' <= refused.Code && refused.Code <= '~':
		code = exitProtocol // text: no refusal
	default:
		code = exitConnect // refused, or the connection was lost at once
	}
	return &fault{code: code, err: fmt.Errorf("greeting %s: %w", e, bare(err)), hint: hint}
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

// explain adds to an error of an open connection what had arrived and what
// to do. c comes from dial.
func explain(c *parley.Conn, err error) error {
	var known *fault
	h, ok := c.NetConn().(*heard)
	if err == nil || !ok || errors.As(err, &known) {
		return err
	}
	a := h.arrived()
	hint := ""
	if other := speaks(a.first); other != "" && other != c.Protocol().Name() {
		hint = "the peer seems to speak " + other
	} else if stalled := unconfirmed(c); isTimeout(err) && stalled != "" {
		if strings.Contains(err.Error(), wire.ExplainSilence(c.Protocol())) {
			return err
		}
		hint = stalled
	} else if isTimeout(err) && a.total == 0 {
		hint = "not a byte has come from the peer: does it speak " + c.Protocol().Name() + ", and does it answer to that?"
	} else if isTimeout(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		hint = unfinished(c.Protocol(), a)
	}
	if hint == "" {
		return err
	}
	return &fault{code: exitCode(err), err: bare(err), hint: hint}
}

// unconfirmed says how many messages the peer has not confirmed, and what that
// may mean, or returns "".
func unconfirmed(c *parley.Conn) string {
	why, s := wire.ExplainSilence(c.Protocol()), c.Stats()
	if why == "" || s.Confirmed >= s.MessagesOut {
		return ""
	}
	return plural(int(s.MessagesOut-s.Confirmed), "message") + " not confirmed: " + why
}

// speaks guesses what a peer speaks from the first bytes it has sent, or
// returns "".
func speaks(first []byte) string {
	return wire.Recognize(first)
}

// unfinished describes a oneline line that has begun and not ended, or returns
// "".
func unfinished(p parley.Protocol, a arrival) string {
	line, ok := p.(oneline.Protocol)
	if !ok || a.total == 0 {
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
			n = a.total
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

// bounded returns a context that ends after d, or after def if d is zero.
func bounded(ctx context.Context, d, def time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		d = def
	}
	if d < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
