package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// outcome is how a test ended. When a test ran several times the greatest
// outcome counts: one failure is a failure, one pass outweighs a skip.
type outcome int

const (
	notRun outcome = iota
	skipped
	passed
	failed
)

func (o outcome) String() string { return [...]string{"not run", "skip", "pass", "FAIL"}[o] }

type testID struct{ pkg, name string }

// parseResults reads the output of go test -json and returns the outcome of
// every top-level test. What the compiler had to say goes to log.
func parseResults(r io.Reader, log io.Writer) (map[testID]outcome, error) {
	all := make(map[testID]outcome) // subtests too
	dec := json.NewDecoder(r)
	for n := 1; ; n++ {
		var e struct{ Action, Package, Test, Output string }
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("event %d of the test results is not from go test -json: %w", n, err)
		}
		id := testID{e.Package, e.Test}
		switch e.Action {
		case "pass":
			all[id] = max(all[id], passed)
		case "skip":
			all[id] = max(all[id], skipped)
		case "fail":
			all[id] = max(all[id], failed)
		case "build-output":
			io.WriteString(log, e.Output)
		}
	}

	// A test that passed and has subtests counts as passed only if one of
	// those that have no subtests themselves did.
	parents, vouched := make(map[testID]bool), make(map[testID]bool)
	for id := range all {
		for i, c := range id.name {
			if c == '/' {
				parents[testID{id.pkg, id.name[:i]}] = true
			}
		}
	}
	top := make(map[testID]outcome)
	for id, o := range all {
		name, _, sub := strings.Cut(id.name, "/")
		if !sub {
			top[id] = o
		} else if o == passed && !parents[id] {
			vouched[testID{id.pkg, name}] = true
		}
	}
	for id, o := range top {
		if o == passed && parents[id] && !vouched[id] {
			top[id] = skipped
		}
	}
	return top, nil
}
