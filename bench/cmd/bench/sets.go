package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set is one kind of measurement.
type set struct {
	name    string
	title   string
	servers func(b *built) []server
	cells   []cell
	quick   []cell
	shared  bool // both processes run on all cores
	once    bool // one round is enough: it does not depend on speed
	// generator gives the program that drives s in a cell, and its arguments
	// but the address and the server's process.
	generator func(r *runner, s server, c cell) []string
}

// rate is that of the open loop, in messages per second.
const rate = 20_000

var sets = []set{
	{name: "line", title: "echo of lines", servers: func(b *built) []server { return echoServers(b, "line") },
		cells: all, quick: core[:4], generator: echoLoad},
	{name: "len4", title: "echo of sized messages", servers: func(b *built) []server { return echoServers(b, "len4") },
		cells: all, quick: core[:4], generator: echoLoad},
	{name: "blob", title: "large messages, one way", servers: blobServers,
		cells: []cell{{1, 1, 1 << 20}, {1, 1, 64 << 20}}, quick: []cell{{1, 1, 64 << 20}}, generator: blobLoad},
	{name: "idle", title: "memory of idle connections", servers: idleServers, once: true,
		cells: []cell{{10_000, 1, 16}}, quick: []cell{{2000, 1, 16}}, generator: idleLoad},
	{name: "rate", title: fmt.Sprintf("latency at %d messages/s", rate), servers: rateServers,
		cells: core[:1], quick: core[:1], generator: rateLoad},
	{name: "fan", title: "broadcast", servers: fanServers, shared: true,
		cells: []cell{{1000, 0, 64}, {1000, 1, 64}}, quick: []cell{{1000, 1, 64}}, generator: fanLoad},
	{name: "flow", title: "tinyproto, one way", servers: flowServers,
		cells: []cell{{1, 1, 16}, {1, 1, 1 << 10}}, quick: []cell{{1, 1, 16}}, generator: flowLoad},
	{name: "scale", title: "scaling", servers: scaleServers, cells: scale, generator: echoLoad},
}

func setNames() []string {
	var names []string
	for _, s := range sets {
		names = append(names, s.name)
	}
	return names
}

// chosen gives the sets that the options ask for.
func chosen(o options) ([]set, error) {
	var all []set
	for _, name := range o.sets {
		i := slices.IndexFunc(sets, func(s set) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no %q; the sets are %s", name, strings.Join(setNames(), ", "))
		}
		s := sets[i]
		if o.quick {
			s.cells = s.quick
		}
		if len(o.cells) > 0 {
			s.cells = o.cells
		}
		all = append(all, s)
	}
	return all, nil
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) + "s" }

func echoLoad(r *runner, s server, c cell) []string {
	warmup := 250*time.Millisecond + s.warmup
	if c.Conns*c.Depth*c.Size > 32<<20 || c.Conns > 1024 {
		warmup += time.Second
	}
	duration := r.seconds
	if s.slow || c.Size > 8<<20 { // a second brings few messages
		duration = max(duration, 2)
	}
	if c.Conns*c.Depth*c.Size > 1<<30 { // the first messages come late
		warmup += 2 * time.Second
		duration = max(duration, 2)
	}
	if s.slow {
		warmup += time.Second
	}
	return []string{r.built.path("loadgen"), "-wire", s.wire, "-conns", strconv.Itoa(c.Conns), "-depth", strconv.Itoa(c.Depth),
		"-size", strconv.Itoa(c.Size), "-warmup", warmup.String(), "-duration", seconds(duration)}
}

func rateLoad(r *runner, s server, c cell) []string {
	return append(echoLoad(r, s, c), "-rate", strconv.Itoa(rate), "-duration", seconds(3*r.seconds))
}

func blobLoad(r *runner, s server, c cell) []string {
	return []string{r.built.path("loadgen"), "-wire", s.wire, "-blob", "-size", strconv.Itoa(c.Size), "-total", strconv.Itoa(1 << 30)}
}

func idleLoad(r *runner, s server, c cell) []string {
	return []string{r.built.path("loadgen"), "-wire", s.wire, "-idle", strconv.Itoa(c.Conns), "-size", strconv.Itoa(c.Size)}
}

func fanLoad(r *runner, s server, c cell) []string {
	return []string{r.built.path("loadgen"), "-wire", s.wire, "-fan", strconv.Itoa(c.Conns - c.Depth), "-slow", strconv.Itoa(c.Depth),
		"-size", strconv.Itoa(c.Size), "-warmup", "1s", "-duration", seconds(2 * r.seconds)}
}

func flowLoad(r *runner, s server, c cell) []string {
	return []string{r.built.path("parleypeer"), "flow", "-wire", s.wire, "-size", strconv.Itoa(c.Size), "-duration", seconds(2 * r.seconds)}
}

func idleServers(b *built) []server {
	return slices.Concat(echoServers(b, "line"), slices.DeleteFunc(echoServers(b, "len4"), func(s server) bool {
		return !strings.HasPrefix(s.name, "parley")
	}))
}

func rateServers(b *built) []server {
	return slices.DeleteFunc(echoServers(b, "line"), func(s server) bool { return s.cells != nil })
}

func fanServers(b *built) []server {
	var all []server
	for _, driver := range []string{"", "loop"} {
		for _, w := range []string{"line", "serpy2", "serpy", "tinyproto"} {
			all = append(all, b.parley(w, w, "fan", driver))
		}
	}
	return all
}

func flowServers(b *built) []server {
	receivers := []server{b.parley("tinyproto", "", "sink", ""), b.parley("tinyproto", "", "sink", "loop")}
	for _, o := range pythonPeers {
		if o.wire == "tinyproto" {
			receivers = append(receivers, o.server(b, "sink"))
		}
	}
	var all []server
	for _, s := range receivers {
		eager, wait := s, s
		eager.name, eager.wire, eager.quick = "sending ahead to "+s.name, "tinyproto", true
		wait.name, wait.wire, wait.quick = "waiting for each OK of "+s.name, "tinyproto-wait", true
		all = append(all, eager, wait)
	}
	return all
}

func scaleServers(b *built) []server {
	keep := []string{floor, "Go net, batch", "parley oneline", "parley oneline, loop", "parley serpy2", "parley serpy2, loop"}
	return slices.DeleteFunc(idleServers(b), func(s server) bool { return !slices.Contains(keep, s.name) })
}
