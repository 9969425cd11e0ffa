package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// matrix holds the requirements in their order, each with its tests.
type matrix []row

type row struct {
	requirement
	tests []result
}

type result struct {
	label   string
	outcome outcome
}

// join finds each requirement's tests and their outcomes. The matrix is good
// even when there is an error: that a test names an unknown id.
func join(requirements []requirement, tests []test, outcomes map[testID]outcome) (matrix, error) {
	m := make(matrix, len(requirements))
	index := make(map[string]int)
	for i, r := range requirements {
		m[i].requirement = r
		index[r.id] = i
	}
	var errs []error
	for _, t := range tests {
		for _, id := range t.ids {
			i, ok := index[id]
			if !ok {
				errs = append(errs, fmt.Errorf("%s: %s verifies %q, which docs/requirements.md does not list", t.where, t.name, id))
				continue
			}
			m[i].tests = append(m[i].tests, result{t.label, outcomes[testID{t.pkg, t.name}]})
		}
	}
	return m, errors.Join(errs...)
}

// verdict joins the outcomes: one failing test fails the requirement,
// otherwise one passing test verifies it.
func (r row) verdict() outcome {
	v := notRun
	for _, t := range r.tests {
		v = max(v, t.outcome)
	}
	return v
}

// writeText prints the matrix for a terminal, a requirement to a line with
// its tests below it.
func (m matrix) writeText(w io.Writer) error {
	width := 0
	for _, r := range m {
		width = max(width, len(r.id))
	}
	var b bytes.Buffer
	for _, r := range m {
		word := r.verdict().String()
		if len(r.tests) == 0 {
			word = "no test"
		}
		fmt.Fprintf(&b, "%-*s  %-7s  %s\n", width, r.id, word, r.text)
		for _, t := range r.tests {
			fmt.Fprintf(&b, "%-*s  %-7s    %s\n", width, "", t.outcome, t.label)
		}
	}
	n := m.count()
	fmt.Fprintf(&b, "\n%d requirements: %d verified, %d failing, %d without a passing test\n",
		len(m), n[passed], n[failed], n[notRun]+n[skipped])
	_, err := w.Write(b.Bytes())
	return err
}

// markdown returns the matrix as a table.
func (m matrix) markdown() []byte {
	var b bytes.Buffer
	b.WriteString("# Trace matrix\n\nMade by `go run ./internal/trace -o`. Do not edit.\n\n")
	b.WriteString("| id | requirement | tests | result |\n|---|---|---|---|\n")
	for _, r := range m {
		fmt.Fprintf(&b, "| %s | %s | ", r.id, r.text)
		for i, t := range r.tests {
			if i > 0 {
				b.WriteString("<br>")
			}
			fmt.Fprintf(&b, "`%s`", t.label)
			if t.outcome != passed {
				fmt.Fprintf(&b, " (%s)", t.outcome)
			}
		}
		fmt.Fprintf(&b, " | %s |\n", r.verdict())
	}
	return b.Bytes()
}

func (m matrix) count() (n [failed + 1]int) {
	for _, r := range m {
		n[r.verdict()]++
	}
	return n
}

// check returns an error unless every requirement is verified.
func (m matrix) check() error {
	n := m.count()
	if bad := len(m) - n[passed]; bad > 0 {
		return fmt.Errorf("%d of %d requirements are not verified", bad, len(m))
	}
	return nil
}
