package main

import (
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// picture is a plot that has been written.
type picture struct{ file, title string }

// plotAll draws what the set scale has measured, as PNG files in a folder.
func plotAll(rows []row, folder string) ([]picture, error) {
	if len(cellsIn(rows, "scale")) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	conns := func(c cell) (float64, bool) { return float64(c.Conns), c.Size == 16 && c.Conns != 4 }
	sizes := func(c cell) (float64, bool) { return float64(c.Size), c.Conns == 4 }
	pictures := []picture{
		{"connections.png", "CPU per message, from 1 to 10,000 connections (16 bytes, one message in flight on each)"},
		{"sizes.png", "CPU per message, from 16 bytes to 64 MiB (4 connections, one message in flight on each)"},
	}
	if err := draw(rows, filepath.Join(folder, pictures[0].file), pictures[0].title, "connections", conns); err != nil {
		return nil, err
	}
	if err := draw(rows, filepath.Join(folder, pictures[1].file), pictures[1].title, "payload bytes", sizes); err != nil {
		return nil, err
	}
	return pictures, nil
}

// draw plots the CPU time per message of each server against what at gives of
// a cell.
func draw(rows []row, file, title, label string, at func(cell) (float64, bool)) error {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = label, "µs of server CPU per message"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	n := 0
	for _, name := range serversIn(rows, "scale") {
		var points plotter.XYs
		for _, c := range cellsIn(rows, "scale") {
			x, ok := at(c)
			y := medianOf(of(rows, "scale", c, name), cpu) / 1e3
			if ok && !math.IsNaN(y) && y > 0 {
				points = append(points, plotter.XY{X: x, Y: y})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, line.Dashes = plotutil.Color(n), plotutil.Dashes(n)
		dots.Color, dots.Shape = plotutil.Color(n), plotutil.Shape(n)
		p.Add(line, dots)
		p.Legend.Add(name, line, dots)
		n++
	}
	return p.Save(24*vg.Centimeter, 14*vg.Centimeter, file)
}
