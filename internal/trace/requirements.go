package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// requirement is one row of docs/requirements.md.
type requirement struct {
	id, text string
}

var idForm = regexp.MustCompile(`^[A-Z][A-Z0-9]*-[0-9]{2,}$`)

// parseRequirements reads the tables of a Markdown text, whose rows have the
// form "| id | requirement |".
func parseRequirements(markdown string) ([]requirement, error) {
	var all []requirement
	line := make(map[string]int)
	for i, row := range strings.Split(markdown, "\n") {
		row = strings.TrimSpace(row)
		if !strings.HasPrefix(row, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(row, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		if cells[0] == "id" || strings.Trim(cells[0], "-:") == "" {
			continue
		}
		if len(cells) != 2 || !idForm.MatchString(cells[0]) || cells[1] == "" {
			return nil, fmt.Errorf("requirements.md:%d: %q is no row of the form | AREA-07 | requirement |", i+1, row)
		}
		if first, ok := line[cells[0]]; ok {
			return nil, fmt.Errorf("requirements.md:%d: %s stands already in line %d", i+1, cells[0], first)
		}
		line[cells[0]] = i + 1
		all = append(all, requirement{cells[0], cells[1]})
	}
	if len(all) == 0 {
		return nil, errors.New("requirements.md has no row of the form | AREA-07 | requirement |")
	}
	return all, nil
}
