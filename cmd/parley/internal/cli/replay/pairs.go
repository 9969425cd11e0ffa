package replay

import (
	"fmt"
	"io"
	"slices"

	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/recording"
)

// A client that does not wait for its answers asks several questions before the first
// answer comes. What --any-order then makes of a connection:
//
//   - as many answers as questions, each behind its question: the n-th answers the n-th;
//   - else what stands between questions answers those in front of it, where that is
//     one, or as many as there are answers;
//   - else it can't be known, and the last question has all of it: that is a doubt.
//
// On scpi a message without a ? is no question, unless nothing else could be answered.

// doubt is a place where it can't be known which question an answer belongs to.
type doubt struct {
	conn               int
	questions, answers []*step
}

// Error tells it.
func (d *doubt) Error() string {
	return d.answers[0].Errorf("--any-order: it can't be known which of %d questions in a row (from line %d) %s on connection %d: the last one has all of it",
		len(d.questions), d.questions[0].Line, answerCount(len(d.answers)), d.conn+1).Error()
}

func answerCount(n int) string {
	if n == 1 {
		return "has the 1 answer"
	}
	return fmt.Sprintf("have the %d answers", n)
}

// exchanges pairs what a recorded client asked with what answers it.
func (s *session) exchanges(steps []*step) (greeting []*step, all []*exchange, doubts []doubt) {
	var answers []*step
	behind := make(map[*step]int) // how many requests stand in front of an answer
	for _, st := range steps {
		switch {
		case st.isMessage(recording.ToServer):
			all = append(all, &exchange{request: st, at: len(all)})
		case st.isMessage(recording.ToClient) && len(all) == 0:
			greeting = append(greeting, st)
		case st.isMessage(recording.ToClient):
			answers = append(answers, st)
			behind[st] = len(all)
		case st.isEnd(recording.ToClient) && len(all) > 0:
			all[len(all)-1].close = !slices.ContainsFunc(steps, func(st *step) bool { return st.isEnd(recording.ToServer) })
		}
	}
	if pairInOrder(s.questions(all), answers, behind) {
		return greeting, all, nil
	}
	for before := 0; len(answers) > 0; {
		n := behind[answers[0]]
		end := slices.IndexFunc(answers, func(st *step) bool { return behind[st] != n })
		if end < 0 {
			end = len(answers)
		}
		if d := s.pairRun(all[before:n], answers[:end]); d != nil {
			doubts = append(doubts, *d)
		}
		before, answers = n, answers[end:]
	}
	return greeting, all, doubts
}

// pairInOrder gives the n-th question the n-th answer, if that is possible.
func pairInOrder(questions []*exchange, answers []*step, behind map[*step]int) bool {
	if len(questions) != len(answers) {
		return false
	}
	for i, x := range questions {
		if behind[answers[i]] <= x.at {
			return false
		}
	}
	for i, x := range questions {
		x.answers = []*step{answers[i]}
	}
	return true
}

// pairRun pairs questions in a row with the answers behind them.
func (s *session) pairRun(run []*exchange, answers []*step) *doubt {
	asked := s.questions(run)
	switch {
	case len(asked) == 1:
		asked[0].answers = answers
	case len(asked) == len(answers):
		for i, x := range asked {
			x.answers = answers[i : i+1]
		}
	default:
		last := asked[len(asked)-1]
		last.answers = answers
		d := &doubt{answers: answers}
		for _, x := range asked {
			d.questions = append(d.questions, x.request)
		}
		return d
	}
	return nil
}

// questions returns those of the requests that can have an answer: on scpi those with
// a ?, if there are any.
func (s *session) questions(all []*exchange) []*exchange {
	if s.protocol.Name() != "scpi" {
		return all
	}
	queries := slices.DeleteFunc(slices.Clone(all), func(x *exchange) bool {
		return !ask.IsQuery(output.Payload(x.request.value))
	})
	if len(queries) == 0 {
		return all
	}
	return queries
}

// tellDoubts prints where it can't be known what answers what.
func (p *anyOrder) tellDoubts(w io.Writer) {
	const most = 10
	for i := range p.doubts {
		if i == most {
			fmt.Fprintf(w, "parley: and at %d more places\n", len(p.doubts)-most)
			return
		}
		fmt.Fprintf(w, "parley: %v\n", &p.doubts[i])
	}
}
