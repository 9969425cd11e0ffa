package embed

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Options say what the server is. One of Hub, Join and Cluster is set, or none: then it is
// alone.
type Options struct {
	// Hub is where others may join: HOST:PORT, port 0 takes a free one.
	Hub string
	// Join is the hub's place: tls://HOST:PORT or HOST:PORT.
	Join string
	// Cluster are the places of all that keep everything together, the own one first. They may
	// take Hub too.
	Cluster []string
	// Dir is where it keeps what it keeps. A hub without one keeps nothing beyond its end; one
	// that joins keeps nothing itself then.
	Dir string
	// Secret is what all have in common. nil: that of Dir, which is made if there is none.
	Secret *Secret
	// Replicas is how many keep what is made; 0: one. Two nodes can't have three.
	Replicas int
	// MaxMemory and MaxStore bound what is kept, in bytes; 0: 64 MiB and 10 GiB.
	MaxMemory, MaxStore int64
	// Logger is told what happens; nil: nobody.
	Logger *slog.Logger
}

// ErrOptions is the error of options that make no sense: what they say has to change.
var ErrOptions = errors.New("embed: options that make no sense")

// optionsError is an ErrOptions in its own words.
type optionsError string

func (e optionsError) Error() string      { return "embed: " + string(e) }
func (optionsError) Is(target error) bool { return target == ErrOptions }

// badOptions returns an ErrOptions.
func badOptions(format string, args ...any) error {
	return optionsError(fmt.Sprintf(format, args...))
}

// check refuses options that make no sense together.
func (o *Options) check() error {
	switch {
	case o.Join != "" && (o.Hub != "" || len(o.Cluster) > 0):
		return badOptions("who joins a hub is no hub, and none of a cluster")
	case o.Replicas > 1 && len(o.Cluster) == 0:
		return badOptions("%d replicas need a cluster: a hub and those who join it keep one", o.Replicas)
	case len(o.Cluster) > 0 && o.Replicas > len(o.Cluster):
		return badOptions("%d nodes can't keep %d replicas", len(o.Cluster), o.Replicas)
	case len(o.Cluster) == 1:
		return badOptions("a cluster of one: name all places, this one first, or use a hub")
	case len(o.Cluster) == 2:
		return badOptions("a cluster of two stops when one of them does: use a hub and one that joins, or three")
	case o.Replicas < 0 || o.Replicas > 5 || o.Replicas > 0 && o.Replicas%2 == 0:
		return badOptions("%d replicas: 1, 3 or 5, as most of them must be there", o.Replicas)
	}
	return o.places()
}

// places refuses places where nobody can be.
func (o *Options) places() error {
	if o.Join != "" {
		host, port, err := place(strings.TrimPrefix(o.Join, "tls://"))
		if err != nil || host == "" || port == 0 {
			return badOptions("the hub's place is tls://HOST:PORT, not %q", o.Join)
		}
	}
	for i, at := range o.Cluster {
		host, port, err := place(at)
		switch {
		case err != nil || port == 0 || host == "" && i > 0:
			return badOptions("a node of the cluster is HOST:PORT, not %q", at)
		case slices.Contains(o.Cluster[:i], at):
			return badOptions("a cluster has each node once, and %s is there twice", at)
		}
	}
	if o.Hub != "" {
		_, _, err := place(o.Hub)
		return err
	}
	return nil
}

// place splits HOST:PORT.
func place(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, badOptions("a place is HOST:PORT, not %q", addr)
	}
	return host, port, nil
}
