package main

import (
	"fmt"
	"slices"
	"strings"
)

// cell is one load: connections, messages in flight on each, payload bytes.
type cell struct{ Conns, Depth, Size int }

func (c cell) String() string {
	return fmt.Sprintf("%dc d%d %s", c.Conns, c.Depth, bytesString(c.Size))
}

func bytesString(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%dM", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dK", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

// cellList is a flag that may be repeated.
type cellList []cell

func (l *cellList) String() string { return fmt.Sprint(*l) }

func (l *cellList) Set(s string) error {
	var c cell
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, ",", " "), "%d %d %d", &c.Conns, &c.Depth, &c.Size); err != nil {
		return fmt.Errorf("want connections,depth,payload bytes: %w", err)
	}
	*l = append(*l, c)
	return nil
}

// The cells of the echo sets. All servers meet the core; the floor, the best of
// the plain Go servers and parley meet the others too.
var (
	core = []cell{{64, 1, 16}, {64, 32, 16}, {64, 32, 1 << 10}, {64, 1, 64 << 10}, {1024, 1, 16}}
	all  = func() []cell {
		cells := slices.Clone(core)
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			for _, conns := range []int{1, 64, 1024} {
				for _, depth := range []int{1, 32} {
					if c := (cell{conns, depth, size}); !slices.Contains(cells, c) {
						cells = append(cells, c)
					}
				}
			}
		}
		return cells
	}()
	single = []cell{{1, 1, 16}}
	scale  = []cell{
		{1, 1, 16}, {8, 1, 16}, {64, 1, 16}, {512, 1, 16}, {2048, 1, 16}, {10_000, 1, 16},
		{4, 1, 16}, {4, 1, 256}, {4, 1, 4 << 10}, {4, 1, 64 << 10}, {4, 1, 1 << 20}, {4, 1, 16 << 20}, {4, 1, 64 << 20},
	}
)
