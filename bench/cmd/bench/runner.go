package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-net/parley/bench/internal/result"
)

// row is one measurement of one server.
type row struct {
	Set    string `json:"set"`
	Cell   cell   `json:"cell"`
	Round  int    `json:"round"`
	Server string `json:"server"`
	Error  string `json:"error,omitempty"`
	result.Report
}

type runner struct {
	options
	built *built
	log   io.Writer
	out   io.Writer // JSON lines, or nil
	rows  []row
	noise int // how many measurements in a row stayed disturbed in every try
}

// hopeless is how many of them show that trying again is of no use.
const hopeless = 10

// generatorTime bounds one run of a generator.
const generatorTime = 2 * time.Minute

// run measures a set: in each round every server meets the cell one after the
// other, so that ratios compare what was measured within seconds.
func (r *runner) run(ctx context.Context, s set) error {
	servers := slices.DeleteFunc(r.pick(s.servers(r.built)), func(v server) bool { return r.why(v) != "" })
	for _, c := range s.cells {
		began := time.Now()
		rounds := r.rounds
		switch {
		case s.once:
			rounds = 1
		case len(r.cells) == 0 && rounds == 3 && (s.name == "scale" || s.name == "line" || s.name == "len4") && !slices.Contains(core, c):
			rounds = 2
		}
		for round := range rounds {
			for _, v := range servers {
				if !r.meets(s, v, c) {
					continue
				}
				row := r.measure(ctx, s, v, c)
				if err := ctx.Err(); err != nil {
					return err
				}
				row.Round = round
				r.rows = append(r.rows, row)
				if r.out != nil {
					json.NewEncoder(r.out).Encode(row)
				}
				if row.Error != "" {
					fmt.Fprintf(r.log, "%s %v, %s: %s\n", s.name, c, v.name, row.Error)
				}
			}
		}
		fmt.Fprintf(r.log, "%s %v: %.0f s\n", s.name, c, time.Since(began).Seconds())
	}
	return nil
}

// meets tells whether server v takes part in a cell of set s.
func (r *runner) meets(s set, v server, c cell) bool {
	switch {
	case v.cells != nil:
		return (s.name == "line" || s.name == "len4") && slices.Contains(v.cells, c)
	case s.name != "line" && s.name != "len4", len(r.cells) > 0:
		return true
	}
	return v.full || slices.Contains(core, c)
}

// needed gives what the servers of the sets need.
func (r *runner) needed(sets []set) map[string]bool {
	all := map[string]bool{}
	for _, s := range sets {
		for _, v := range r.pick(s.servers(r.built)) {
			for _, n := range v.needs {
				all[n] = true
			}
		}
	}
	return all
}

// why tells what server v lacks; "" if it can run.
func (r *runner) why(v server) string {
	for _, n := range v.needs {
		if m := r.built.missing[n]; m != "" {
			return m
		}
	}
	return ""
}

// missing names what the servers of the sets needed in vain, and those servers.
func (r *runner) missing(sets []set) []string {
	without := map[string][]string{}
	for _, s := range sets {
		for _, v := range r.pick(s.servers(r.built)) {
			for _, n := range v.needs {
				if r.built.missing[n] != "" && !slices.Contains(without[n], v.name) {
					without[n] = append(without[n], v.name)
				}
			}
		}
	}
	var all []string
	for _, n := range slices.Sorted(maps.Keys(without)) {
		all = append(all, fmt.Sprintf("%s (%s)", strings.Join(without[n], "; "), r.built.missing[n]))
	}
	return all
}

// measure gives the first try that other processes left alone, or else the
// calmest. A try without a single message was stalled by them.
func (r *runner) measure(ctx context.Context, s set, v server, c cell) row {
	best := row{Set: s.name, Cell: c, Server: v.name, Error: "nothing came back while measuring"}
	for range max(1, r.tries) {
		got := row{Set: s.name, Cell: c, Server: v.name}
		if err := r.try(ctx, s, v, c, &got.Report); err != nil {
			got.Error = err.Error()
			return got
		}
		if got.Msgs == 0 && s.name != "idle" {
			continue
		}
		if best.Error != "" || got.OtherUtil < best.OtherUtil {
			best = got
		}
		if best.OtherUtil <= r.calm || s.once || s.shared || r.noise >= hopeless {
			break
		}
	}
	if r.noise++; best.OtherUtil <= r.calm {
		r.noise = 0
	}
	return best
}

func (r *runner) try(ctx context.Context, s set, v server, c cell, rep *result.Report) error {
	ctx, cancel := context.WithTimeout(ctx, generatorTime)
	defer cancel()
	serverCores, generatorCores := cores(s.shared)
	if s.name == "fan" {
		v.argv = append(slices.Clone(v.argv), "-conns", strconv.Itoa(c.Conns), "-size", strconv.Itoa(c.Size))
	}
	p, err := startServer(ctx, v, serverCores, r.nice)
	if err != nil {
		return err
	}
	defer p.stop()
	argv := append(s.generator(r, v, c), "-addr", p.addr(), "-pid", strconv.Itoa(p.cmd.Process.Pid))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := startOn(cmd, generatorCores, r.nice); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		p.stop()
		return fmt.Errorf("%s%s", strings.TrimSpace(stderr.String()), p.said())
	}
	return json.Unmarshal(stdout.Bytes(), rep)
}

// failures is an error that names the servers that did not do what they were
// measured for.
func (r *runner) failures() error {
	var all []string
	for _, row := range r.rows {
		if line := row.Server + ": " + row.Error; row.Error != "" && !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("failed:\n  %s", strings.Join(all, "\n  "))
}
