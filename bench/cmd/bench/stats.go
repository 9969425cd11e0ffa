package main

import (
	"math"
	"slices"
)

// figure is one number of a measurement.
type figure func(row) float64

func cpu(r row) float64 { return r.CPUNsMsg }

// of gives the sound measurements of a server in a cell.
func of(rows []row, set string, c cell, server string) []row {
	var found []row
	for _, r := range rows {
		if r.Set == set && r.Cell == c && r.Server == server && r.Error == "" {
			found = append(found, r)
		}
	}
	return found
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func medianOf(rows []row, f figure) float64 {
	var v []float64
	for _, r := range rows {
		v = append(v, f(r))
	}
	return median(v)
}

// ratio is the median of the ratios of a figure to the same one of the floor in
// the same round.
func ratio(rows, base []row, f figure) float64 {
	var v []float64
	for _, r := range rows {
		for _, b := range base {
			if b.Round == r.Round && f(b) > 0 {
				v = append(v, f(r)/f(b))
			}
		}
	}
	return median(v)
}

// calmer gives the rounds that other processes disturbed least: half of them.
func calmer(rows []row) []row {
	s := slices.Clone(rows)
	slices.SortStableFunc(s, func(a, b row) int {
		if a.OtherUtil < b.OtherUtil {
			return -1
		}
		return 1
	})
	return s[:(len(s)+1)/2]
}
