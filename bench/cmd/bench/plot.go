package main

import (
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// picture is a plot that has been written.
type picture struct{ file, title string }

// axis is what a plot has along its x.
type axis struct {
	label string
	of    func(cell) (x int, ok bool)
	text  func(x int) string
}

// plotAll draws what the set scale has measured, as PNG files in a folder.
func plotAll(rows []row, folder string) ([]picture, error) {
	if len(cellsIn(rows, "scale")) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	conns := axis{"connections", func(c cell) (int, bool) { return c.Conns, c.Size == 16 && c.Conns != 4 }, strconv.Itoa}
	sizes := axis{"payload", func(c cell) (int, bool) { return c.Size, c.Conns == 4 }, bytesString}
	pictures := []picture{
		{"connections.png", "CPU per message, from 1 to 10,000 connections (16 bytes, one message in flight on each)"},
		{"sizes.png", "CPU per message, from 16 bytes to 64 MiB (4 connections, one message in flight on each)"},
	}
	if err := draw(rows, filepath.Join(folder, pictures[0].file), pictures[0].title, conns); err != nil {
		return nil, err
	}
	if err := draw(rows, filepath.Join(folder, pictures[1].file), pictures[1].title, sizes); err != nil {
		return nil, err
	}
	return pictures, nil
}

// draw plots the CPU time per message of each server along an axis.
func draw(rows []row, file, title string, along axis) error {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = along.label, "µs of server CPU per message"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	var ticks plot.ConstantTicks
	for _, c := range cellsIn(rows, "scale") {
		if x, ok := along.of(c); ok {
			ticks = append(ticks, plot.Tick{Value: float64(x), Label: along.text(x)})
		}
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	n := 0
	for _, name := range serversIn(rows, "scale") {
		var points plotter.XYs
		for _, c := range cellsIn(rows, "scale") {
			x, ok := along.of(c)
			y := medianOf(of(rows, "scale", c, name), cpu) / 1e3
			if ok && !math.IsNaN(y) && y > 0 {
				points = append(points, plotter.XY{X: float64(x), Y: y})
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
