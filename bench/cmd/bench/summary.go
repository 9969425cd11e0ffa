package main

import (
	"fmt"
	"slices"
)

// cellsIn and serversIn give what a set has measured, in the order of
// measuring.
func cellsIn(rows []row, set string) []cell {
	var found []cell
	for _, r := range rows {
		if r.Set == set && !slices.Contains(found, r.Cell) {
			found = append(found, r.Cell)
		}
	}
	return found
}

func serversIn(rows []row, set string) []string {
	var found []string
	for _, r := range rows {
		if r.Set == set && !slices.Contains(found, r.Server) {
			found = append(found, r.Server)
		}
	}
	return found
}

// full is the table of everything: one line per cell and server.
func full(rows []row, calm float64) table {
	t := table{head: []string{"load", "server", "CPU/msg", "÷ floor", "speed", "p50", "p99", "p99.9", "remarks"}}
	for _, s := range sets {
		for _, c := range cellsIn(rows, s.name) {
			base := of(rows, s.name, c, floor)
			for _, name := range serversIn(rows, s.name) {
				all := of(rows, s.name, c, name)
				if len(all) == 0 {
					for _, r := range rows {
						if r.Set == s.name && r.Cell == c && r.Server == name {
							t.add(load(s.name, c), name, "", "", "", "", "", "", "failed: "+r.Error)
							break
						}
					}
					continue
				}
				us := func(f figure) string {
					if v := medianOf(calmer(all), f); v > 0 {
						return duration(v * 1e3)
					}
					return "–"
				}
				cost, compared := duration(medianOf(all, cpu)), ratio(all, base, cpu)
				if s.name == "idle" {
					cost = number(medianOf(all, settled)) + " B/conn"
					compared = ratio(all, base, settled)
				}
				t.add(load(s.name, c), name, cost, times(compared), speed(s.name, all),
					us(func(r row) float64 { return r.P50us }), us(func(r row) float64 { return r.P99us }),
					us(func(r row) float64 { return r.P999us }), remarks(s.name, all, calm))
			}
		}
	}
	return t
}

func settled(r row) float64 { return r.RSSSettled }

func load(set string, c cell) string {
	switch set {
	case "fan":
		if c.Depth > 0 {
			return fmt.Sprintf("fan %dc %s, %d slow", c.Conns, bytesString(c.Size), c.Depth)
		}
		return fmt.Sprintf("fan %dc %s", c.Conns, bytesString(c.Size))
	case "blob", "flow":
		return set + " " + bytesString(c.Size)
	case "idle":
		return fmt.Sprintf("idle %dc", c.Conns)
	}
	return set + " " + c.String()
}

// speed is that of the best round: other load on the machine only lowers it.
func speed(set string, rows []row) string {
	best := 0.0
	for _, r := range rows {
		if set == "blob" {
			best = max(best, r.GBPerSec)
		} else {
			best = max(best, r.MsgsPerSec)
		}
	}
	switch {
	case best == 0:
		return "–"
	case set == "blob":
		return digits(best) + " GB/s"
	}
	return number(best) + "/s"
}

// remarks says what else is worth knowing: what limits the cell, and that the
// machine was disturbed.
func remarks(set string, rows []row, calm float64) string {
	s := ""
	add := func(format string, args ...any) {
		if s != "" {
			s += "; "
		}
		s += fmt.Sprintf(format, args...)
	}
	m := func(f figure) float64 { return medianOf(rows, f) }
	switch set {
	case "blob":
		add("%.3f CPU s/GB, %.0f MiB", m(func(r row) float64 { return r.CPUSecGB }), m(func(r row) float64 { return r.RSSMiB }))
	case "idle":
		add("open %.0f B, after a message %.0f B", m(func(r row) float64 { return r.RSSConnected }), m(func(r row) float64 { return r.RSSUsed }))
	case "fan":
		add("missed %.1f %%, %.0f MiB", 100*m(func(r row) float64 { return float64(r.Missed) / float64(r.Msgs+r.Missed) }),
			m(func(r row) float64 { return r.RSSMiB }))
	case "flow":
		add("sender %s/msg", duration(m(func(r row) float64 { return r.GenNsMsg })))
	}
	server, generator := m(func(r row) float64 { return r.ServerUtil }), m(func(r row) float64 { return r.ClientUtil })
	if set != "idle" && set != "rate" && set != "fan" && generator > 0.95 && server < 0.9 {
		add("the generator is the limit")
	}
	if d := disturbed(rows, calm); d > 0 {
		add("disturbed in %d of %d", d, len(rows))
	}
	return s
}

// disturbed counts the measurements during which others used more than calm
// cores.
func disturbed(rows []row, calm float64) int {
	n := 0
	for _, r := range rows {
		if r.OtherUtil > calm {
			n++
		}
	}
	return n
}

// matrix is the table of CPU per message relative to the floor, one column per
// cell, of the servers that have met any of them.
func matrix(rows []row, set string, cells []cell) table {
	t := table{head: []string{"CPU/msg ÷ floor"}}
	for _, c := range cells {
		t.head = append(t.head, c.String())
	}
	for _, name := range serversIn(rows, set) {
		line, any := []string{name}, false
		for _, c := range cells {
			all, base := of(rows, set, c, name), of(rows, set, c, floor)
			v := times(ratio(all, base, cpu))
			if name == floor && len(all) > 0 {
				v = fmt.Sprintf("1 (%s)", duration(medianOf(all, cpu)))
			}
			line, any = append(line, v), any || len(all) > 0
		}
		if any {
			t.add(line...)
		}
	}
	return t
}
