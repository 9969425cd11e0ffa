package main

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// server is one program under measurement.
type server struct {
	name   string
	wire   string   // the framing the generator uses
	argv   []string // {port} stands for the port
	env    []string
	warmup time.Duration // more than usual: a compiler at run time
	cells  []cell        // the only ones it meets; nil: the core
	full   bool          // meets all cells
	quick  bool          // takes part in -quick
	needs  []string      // of built.missing
	slow   bool          // some messages a second
	bye    string        // what a client must say before it leaves
}

// floor is the name of what ratios refer to in every set.
const floor = "C epoll"

// echoServers gives those that answer each message with itself, on lines or
// behind a 4-byte length. The floor sends every byte back as it comes.
func echoServers(b *built, framing string) []server {
	addr := "127.0.0.1:{port}"
	gonet := func(design string) []string {
		return []string{b.path("gonet"), "-design", design, "-proto", framing, "-addr", addr}
	}
	all := []server{
		{name: floor, wire: framing, argv: []string{b.path("echo_epoll"), "{port}"}, full: true, quick: true},
		{name: "Go epoll, raw calls", wire: framing, quick: true,
			argv: []string{b.path("goepoll"), "-addr", addr, "-proto", framing}},
		{name: "Go net, batch", wire: framing, argv: gonet("batch"), full: true, quick: true},
		{name: "Go net, bufio", wire: framing, argv: gonet("smart")},
		{name: "Go net, naive", wire: framing, argv: gonet("naive")},
		{name: "cloudwego/netpoll", wire: framing,
			argv: []string{b.path("netpollecho"), "-addr", addr, "-proto", framing}},
		{name: "tokio " + map[string]string{"line": "LinesCodec", "len4": "LengthDelimitedCodec"}[framing], wire: framing,
			argv: []string{b.path("tokio_echo"), "{port}", framing}, needs: []string{"tokio"}},
		{name: "Netty " + map[string]string{"line": "LineBasedFrameDecoder", "len4": "LengthFieldBasedFrameDecoder"}[framing],
			wire: framing, warmup: 3 * time.Second, needs: []string{"netty"},
			argv: []string{"java", "-cp", b.path("netty/classes") + ":" + b.path("netty/jars/*"), "NettyEcho", "{port}", framing}},
	}
	peers := filepath.Join(b.source, "peers")
	if framing == "line" {
		all = append(all,
			server{name: "Node", wire: "line", argv: []string{"node", filepath.Join(peers, "node/line_echo.js"), "{port}"},
				warmup: time.Second, needs: []string{"node"}},
			server{name: "Python asyncio", wire: "line", needs: []string{"python3"},
				argv: []string{"python3", filepath.Join(peers, "python/line_echo.py"), "{port}"}},
			b.parley("line", "line", "echo", ""), b.parley("line", "line", "echo", "loop"),
			b.parley("oneline", "line", "echo", ""), b.parley("oneline", "line", "echo", "loop"),
			b.parley("serpy", "serpy", "echo", ""), b.parley("serpy", "serpy", "echo", "loop"))
	} else {
		all = append(all,
			server{name: "Redis ECHO", wire: "redis", needs: []string{"redis-server"},
				argv: []string{"redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
					"--maxclients", "15000", "--loglevel", "warning", "--daemonize", "no"}},
			server{name: "NATS PING (no payload)", wire: "nats", needs: []string{"nats"}, cells: cellsOf(core, 16),
				argv: []string{b.path("nats-server"), "-a", "127.0.0.1", "-p", "{port}"}},
			b.parley("frame", "len4", "echo", ""), b.parley("frame", "len4", "echo", "loop"),
			b.parley("tinyproto", "tinyproto", "echo", ""), b.parley("tinyproto", "tinyproto", "echo", "loop"),
			b.parley("serpy2", "serpy2", "echo", ""), b.parley("serpy2", "serpy2", "echo", "loop"))
	}
	for _, o := range pythonPeers {
		if (o.wire == "line" || o.wire == "serpy") == (framing == "line") {
			s := o.server(b, "echo")
			if o.wire == "tinyproto" {
				s.wire = "tinyproto-wait"
			}
			s.cells = single
			all = append(all, s)
		}
	}
	return all
}

func cellsOf(cells []cell, size int) []cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c cell) bool { return c.Size != size })
}

// parley gives parley's server in one of parleypeer's modes. driver is "loop",
// or "" for a goroutine per connection.
func (b *built) parley(protocol, wire, mode, driver string) server {
	s := server{
		name: "parley " + protocol, wire: wire, full: true, quick: true,
		argv: []string{b.path("parleypeer"), "serve", "-addr", "127.0.0.1:{port}", "-wire", protocol, "-mode", mode},
	}
	if driver != "" {
		s.name += ", " + driver
		s.argv = append(s.argv, "-driver", driver)
		s.needs = []string{driver}
	}
	return s
}

func (o original) server(b *built, mode string) server {
	return server{
		name: "Python " + o.name, wire: o.wire, needs: []string{o.name},
		argv: []string{python(), filepath.Join(b.source, "peers/python/original.py"), o.script, "{port}", mode},
		env:  []string{"PYTHONPATH=" + o.pythonPath()},
		slow: true, bye: o.bye,
	}
}

// blobServers take large messages one way.
func blobServers(b *built) []server {
	addr := "127.0.0.1:{port}"
	all := []server{
		{name: floor, wire: "len4", quick: true, argv: []string{b.path("echo_epoll"), "{port}", "blob", "67108864"}},
		{name: "C epoll, 64 KiB buffer", wire: "len4", argv: []string{b.path("echo_epoll"), "{port}", "blob", "65536"}},
		{name: "Go net", wire: "len4", argv: []string{b.path("gonet"), "-design", "smart", "-proto", "blob", "-addr", addr}},
		{name: "cloudwego/netpoll", wire: "len4", argv: []string{b.path("netpollecho"), "-proto", "blob", "-addr", addr}},
	}
	for _, driver := range []string{"", "loop"} {
		for _, w := range []string{"tinyproto", "serpy2", "serpy"} {
			all = append(all, b.parley(w, w, "blob", driver))
		}
	}
	for _, w := range []string{"tinyproto", "serpy2"} {
		s := b.parley(w, w, "stream", "")
		s.name += ", stream"
		all = append(all, s)
	}
	return all
}

// pick keeps the servers of which a name has one of the given parts, and
// the floor.
func (o *options) pick(all []server) []server {
	return slices.DeleteFunc(all, func(s server) bool {
		if s.name == floor {
			return false
		}
		if o.only != "" {
			return !matches(o.only, s.name)
		}
		return o.quick && !s.quick
	})
}

// matches tells whether name has one of the comma-separated parts.
func matches(parts, name string) bool {
	for part := range strings.SplitSeq(parts, ",") {
		if strings.Contains(strings.ToLower(name), strings.ToLower(strings.TrimSpace(part))) {
			return true
		}
	}
	return false
}
