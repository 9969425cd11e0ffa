package ask

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
)

// askedFor is the questions: those of the arguments and, where there is a "-", the lines of
// standard input.
type askedFor struct {
	kind  string
	stdin io.Reader
	args  []string
	lines chan inputLine // nil: standard input is not being read
	n     int            // lines so far
}

// inputLine is a line, or why there is none.
type inputLine struct {
	text string
	err  error
}

// questionsOf checks the arguments.
func questionsOf(a *app.App, kind string, args []string) (*askedFor, error) {
	stdin := 0
	for _, arg := range args {
		if arg == "-" {
			stdin++
		} else if _, err := input.Parse(arg, kind); err != nil {
			return nil, err
		}
	}
	switch {
	case stdin > 1:
		return nil, fault.Usagef("standard input can be read once: leave out all - but one")
	case len(args) == 0 && terminal.IsTerminal(a.Stdin):
		return nil, fault.Usagef("nothing to ask: give a question, or - to type them")
	case len(args) == 0:
		args = []string{"-"}
	}
	return &askedFor{kind: kind, stdin: a.Stdin, args: args}, nil
}

// next returns the next question; ok is false if there is none. It may wait for
// standard input.
func (q *askedFor) next(ctx context.Context) (m parley.Message, ok bool, err error) {
	for {
		if q.lines != nil {
			select {
			case l, more := <-q.lines:
				switch {
				case !more:
					q.lines = nil
					continue
				case l.err != nil:
					return m, false, l.err
				}
				m, err := q.read(l.text)
				return m, err == nil, err
			case <-ctx.Done():
				return m, false, context.Cause(ctx)
			}
		}
		if len(q.args) == 0 {
			return m, false, nil
		}
		arg := q.args[0]
		q.args = q.args[1:]
		if arg != "-" {
			m, err := input.Parse(arg, q.kind)
			return m, err == nil, err
		}
		q.lines = make(chan inputLine, 64)
		go readQuestions(q.stdin, q.lines)
	}
}

// read returns the question that a line of standard input is.
func (q *askedFor) read(text string) (parley.Message, error) {
	q.n++
	m, err := input.Typed(q.kind, text)
	if err != nil {
		err = fault.Usagef("standard input, question %d: %w", q.n, err)
	}
	return m, err
}

// readQuestions reads the lines that are not empty. Carriage returns at their ends
// and a byte order mark are those of an editor.
func readQuestions(r io.Reader, lines chan<- inputLine) {
	defer close(lines)
	in := bufio.NewReader(r)
	for first := true; ; first = false {
		text, err := in.ReadString('\n')
		if first {
			if name := input.WideText([]byte(text)); name != "" {
				lines <- inputLine{err: fault.Usagef("standard input %s", name)}
				return
			}
			text = strings.TrimPrefix(text, "\uFEFF")
		}
		if text = strings.TrimRight(text, "\r\n"); text != "" {
			lines <- inputLine{text: text}
		}
		switch err {
		case nil:
		case io.EOF:
			return
		default:
			lines <- inputLine{err: fmt.Errorf("standard input: %w", err)}
			return
		}
	}
}

// rest returns the questions that are left; more says that standard input may
// have others.
func (q *askedFor) rest() (left []parley.Message, more bool) {
	const most = 1000
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	for len(left) < most {
		m, ok, err := q.next(ctx)
		switch {
		case ctx.Err() != nil, err != nil:
			return left, true
		case !ok:
			return left, false
		}
		left = append(left, m)
	}
	return left, true
}
