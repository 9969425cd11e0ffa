package render

import (
	"encoding/hex"
	"fmt"
	"image/color"
)

// Levels is how many colours a Map has.
const Levels = 256

// Map gives each of Levels values a colour, and one to what is not a number.
type Map struct {
	colors [Levels]color.RGBA
	nan    color.RGBA
}

// notANumber is in neither map.
var notANumber = color.RGBA{R: 0xFF, B: 0xFF, A: 0xFF}

// MapNames are the names that MapByName knows.
func MapNames() []string { return []string{"viridis", "gray"} }

// MapByName returns the colour map of the given name.
func MapByName(name string) (*Map, error) {
	m := &Map{nan: notANumber}
	switch name {
	case "viridis":
		table, err := hex.DecodeString(viridis)
		if err != nil {
			return nil, err
		}
		for i := range m.colors {
			m.colors[i] = color.RGBA{table[3*i], table[3*i+1], table[3*i+2], 0xFF}
		}
	case "gray":
		for i := range m.colors {
			m.colors[i] = color.RGBA{uint8(i), uint8(i), uint8(i), 0xFF}
		}
	default:
		return nil, fmt.Errorf("there is no colour map %q", name)
	}
	return m, nil
}
