package files

import (
	"errors"
	"strings"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// remote is a file on a server: HOST[:PORT]:PATH, or :PATH where a profile
// names the server.
type remote struct {
	at   endpoint.Endpoint
	path string
}

// remoteOf reads such an argument; scheme is that of the server's URL.
func remoteOf(a *app.App, arg, scheme string) (remote, error) {
	host, port, path, err := splitRemote(arg)
	url := scheme + "://" + host + port
	if err == nil && host == "" {
		if url = a.ProfileURL; url == "" {
			err = errors.New("the host is missing")
		}
	}
	if err != nil {
		return remote{}, fault.Usagef("%q: %w: write HOST:PATH, HOST:PORT:PATH or [IPv6]:PORT:PATH", arg, err)
	}
	e, err := endpoint.Parse(url)
	if err == nil && e.Protocol.Name() != "tinyproto" {
		err = errors.New("files travel on tinyproto only, not to " + url)
	}
	if err != nil {
		return remote{}, fault.AsUsage(err)
	}
	return remote{e, path}, nil
}

// splitRemote splits HOST[:PORT]:PATH; port keeps its colon.
func splitRemote(arg string) (host, port, path string, err error) {
	if app.LooksLikeURL(arg) {
		return "", "", "", errors.New("that is a URL")
	}
	if strings.HasPrefix(arg, "[") {
		i := strings.IndexByte(arg, ']') + 1
		host, path = arg[:i], arg[i:]
	} else {
		i := strings.IndexByte(arg, ':')
		host, path = arg[:max(i, 0)], arg[max(i, 0):]
	}
	path, ok := strings.CutPrefix(path, ":")
	if !ok {
		return "", "", "", errors.New("no server is named")
	}
	number, rest, more := strings.Cut(path, ":")
	isNumber := number != "" && strings.Trim(number, "0123456789") == ""
	switch {
	case isNumber && more:
		return host, ":" + number, rest, nil
	case isNumber:
		return "", "", "", errors.New(number + " can be a port or a file: write " + host + ":" + number + ":PATH or " + host + ":./" + number)
	case strings.HasPrefix(path, ":"):
		return "", "", "", errors.New("an IPv6 address stands in brackets")
	}
	return host, "", path, nil
}

// name is the last part of a path on a server.
func (r remote) name() string { return r.path[strings.LastIndexByte(r.path, '/')+1:] }

// isFolder reports whether a file goes into the folder of that path.
func (r remote) isFolder() bool { return r.name() == "" || r.name() == "." }
