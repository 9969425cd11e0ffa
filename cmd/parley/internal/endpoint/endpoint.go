// Package endpoint reads the addresses of the command line: URLs such as
// oneline://HOST:PORT, serpy2+tls://HOST:PORT?option=value and
// tinyproto+unix:///PATH.
package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

// Endpoint is where a server listens or a client connects, and the wire that
// is spoken there.
type Endpoint struct {
	Protocol parley.Protocol // with its options
	TLS      bool
	// Addr is the address as package parley takes it: "host:port" or
	// "unix:/path"; of a serial port as package serial does: see Serial; of an
	// inherited socket "fd:NAME".
	Addr string

	query string // the options as they were written
}

// Has reports whether the URL has the named option.
func (e Endpoint) Has(option string) bool {
	q, err := url.ParseQuery(e.query)
	return err == nil && q.Has(option)
}

// forms is what an error about the form of a URL recommends.
const forms = "write PROTOCOL://HOST:PORT, PROTOCOL+tls://HOST:PORT or PROTOCOL+unix:///PATH"

// Parse reads a URL. Its errors name what is wrong and what is possible.
func Parse(s string) (Endpoint, error) {
	e, err := parse(s)
	if err != nil {
		return Endpoint{}, fmt.Errorf("address %q: %w", s, err)
	}
	return e, nil
}

func parse(s string) (Endpoint, error) {
	if IsVISA(s) {
		return visa(s)
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Endpoint{}, fmt.Errorf("it names no protocol: %s, where PROTOCOL is %s; for an instrument scpi://HOST; parley doctor HOST:PORT finds out what is spoken there", forms, strings.Join(Names(), ", "))
	}
	name, suffixes, _ := strings.Cut(scheme, "+")
	w := find(name)
	if w == nil && slices.Contains([]string{"tcp", "socket", "telnet", "raw"}, name) {
		return Endpoint{}, fmt.Errorf("%s:// says how to connect, not what is spoken there: write line://%s for a device that ends its messages with a line end, scpi:// for one that speaks SCPI, or another of %s", name, rest, strings.Join(Names(), ", "))
	}
	if w == nil {
		return Endpoint{}, fmt.Errorf("there is no protocol %q: use %s", name, strings.Join(Names(), ", "))
	}
	var e Endpoint
	unix, port, fd := false, false, false
	for suffix := range strings.SplitSeq(suffixes, "+") {
		switch suffix {
		case "":
		case "tls":
			e.TLS = true
		case "unix":
			unix = true
		case "serial":
			port = true
		case "fd":
			fd = true
		default:
			return Endpoint{}, fmt.Errorf("+%s is not known behind a protocol: use +tls, +unix, +serial or +fd", suffix)
		}
	}
	place, query, _ := strings.Cut(rest, "?")
	own := query // the protocol's options
	var err error
	switch {
	case port && (unix || fd || e.TLS):
		err = errors.New("a serial line has neither TLS nor sockets: write +serial alone")
	case port:
		e.Addr, own, err = serialAddr(name, place, query)
	case fd && unix:
		err = errors.New("an inherited socket is of TCP or Unix as it comes: write +fd without +unix")
	case fd:
		e.Addr, err = inherited(place)
	case unix:
		e.Addr, err = path(place)
	default:
		e.Addr, err = hostPort(place, w.port)
	}
	if err != nil {
		return Endpoint{}, err
	}
	if strings.Contains(query, "?") {
		return Endpoint{}, errors.New("a second ? begins no option: join them with &, as in ?mode=1&encoding=utf-8")
	}
	e.query = query
	e.Protocol, err = w.protocol(own)
	return e, err
}

// path returns the address of a Unix socket.
func path(place string) (string, error) {
	p, err := url.PathUnescape(place)
	switch {
	case err != nil:
		return "", err
	case p == "":
		return "", errors.New("the path of the socket is missing: write PROTOCOL+unix:///PATH")
	}
	return "unix:" + p, nil
}

// inherited returns the address of a socket that the service manager has opened.
func inherited(place string) (string, error) {
	name, err := url.PathUnescape(strings.TrimSuffix(place, "/"))
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", errors.New("the name or number of the socket is missing: write PROTOCOL+fd://NAME")
	}
	return "fd:" + name, nil
}

// hostPort returns the address host:port. port is used where the URL has
// none; 0 means that it must have one.
func hostPort(place string, port int) (string, error) {
	place = strings.TrimSuffix(place, "/")
	host, given, err := net.SplitHostPort(place)
	if err != nil {
		host, given = place, ""
		bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
		if bracketed {
			host = host[1 : len(host)-1]
		}
		if strings.Contains(host, ":") && !bracketed {
			return "", errors.New("an IPv6 address stands in brackets: write PROTOCOL://[::1]:PORT")
		}
	}
	if strings.ContainsAny(host, "/@[] ") {
		return "", fmt.Errorf("%q is no host: %s", host, forms)
	}
	if given == "" {
		if port == 0 {
			return "", errors.New("the port is missing: " + forms)
		}
		given = strconv.Itoa(port)
	}
	if n, err := strconv.ParseUint(given, 10, 16); err != nil {
		return "", fmt.Errorf("%q is no port: use 1 to 65535, or 0 where a server may choose", given)
	} else {
		given = strconv.FormatUint(n, 10)
	}
	return net.JoinHostPort(host, given), nil
}

// CheckListen says what of the options a listener can't have, and where it is
// written instead.
func (e Endpoint) CheckListen() error {
	p, ok := e.Protocol.(line.Protocol)
	if !ok {
		return nil
	}
	var options, keys []string
	for _, o := range []struct {
		given        bool
		option, keys string
	}{{p.Prompt != "", "prompt", "prompt"}, {p.Skip > 0, "skip", "greeting"}, {p.Echo, "echo", "echo"}} {
		if o.given {
			options, keys = append(options, o.option), append(keys, o.keys)
		}
	}
	if options == nil {
		return nil
	}
	return fmt.Errorf("address %q: %s: that is what a client reads from a device; a listener sends it: with serve --replies write %s in the file, with tap and bridge give the option to the target's URL",
		e, strings.Join(options, ", "), strings.Join(keys, " and "))
}

// Unix returns the path of a Unix socket, and whether the endpoint is one.
func (e Endpoint) Unix() (path string, ok bool) { return strings.CutPrefix(e.Addr, "unix:") }

// Inherited returns the name of a socket that the service manager has opened, and
// whether the endpoint is one.
func (e Endpoint) Inherited() (name string, ok bool) { return strings.CutPrefix(e.Addr, "fd:") }

// Scheme is what stands before :// in the URL.
func (e Endpoint) Scheme() string {
	s := e.Protocol.Name()
	if e.TLS {
		s += "+tls"
	}
	if _, ok := e.Unix(); ok {
		s += "+unix"
	}
	if _, ok := e.Serial(); ok {
		s += "+serial"
	}
	if _, ok := e.Inherited(); ok {
		s += "+fd"
	}
	return s
}

// String returns the URL.
func (e Endpoint) String() string {
	place := e.Addr
	if path, ok := e.Unix(); ok {
		place = (&url.URL{Path: path}).EscapedPath()
	}
	if port, ok := e.Serial(); ok {
		place = (&url.URL{Path: port}).EscapedPath()
	}
	if name, ok := e.Inherited(); ok {
		place = url.PathEscape(name)
	}
	s := e.Scheme() + "://" + place
	if e.query != "" {
		s += "?" + e.query
	}
	return s
}

// At returns the same endpoint where clients on this machine find it: at the
// address of a listener, which knows the port the system has chosen.
func (e Endpoint) At(a net.Addr) Endpoint {
	if _, ok := e.Serial(); ok {
		return e
	}
	name, _, _ := net.SplitHostPort(e.Addr)
	e.Addr = Dialable(a.String())
	if host, port, err := net.SplitHostPort(e.Addr); err == nil && e.TLS && name != "" && net.ParseIP(name) == nil && net.ParseIP(host) != nil {
		e.Addr = net.JoinHostPort(name, port) // which the certificate is for
	}
	if a.Network() == "unix" {
		e.Addr = "unix:" + a.String()
	}
	return e
}

// Dialable returns an address at which a listener's clients on this machine find
// it: what listens on all addresses is at localhost too.
func Dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return addr
	}
	return net.JoinHostPort("localhost", port)
}
