// Package ask is the room of parley ask: questions from arguments and standard input,
// each with its answer; internal/ask does the asking.
package ask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// askOptions are the flags of ask.
type askOptions struct {
	kind      string
	out       output.Flags
	pairs     bool
	rule      ask.Rule
	until     string
	keepGoing bool
	reconnect bool
	preamble  []string
}

func Command(a *app.App) *cobra.Command {
	var o askOptions
	cmd := &cobra.Command{
		Use:   "ask URL [QUESTION… | -]",
		Short: "Ask a device, one question at a time",
		Long: `Sends a question, prints its answer, and goes on with the next one. Without
questions, and where there is a "-", each line of standard input that is not empty
is a question. They are written as messages are, see "parley help messages".

An answer is one message. --answers, --until and --quiet say what else it is. On
scpi a message without a ? outside of quotes has no answer, and is not waited for.

It stops at the first question without an answer, and names it and those that
were not asked any more; the exit code is 4. --keep-going goes on, on a new
connection, so that a late answer is never taken for that of another question.

--timeout is the longest wait in which nothing comes, 30 s unless given: 500ms, 2m.
What comes before a question was sent, or together with the last answer behind it,
is no answer and goes to standard error.`,
		Example: `  parley ask scpi://scope '*IDN?'
  parley ask TCPIP0::scope::5025::SOCKET 'CURV?' --block > curve.bin
  parley ask scpi://psu --pairs < questions.txt
  parley ask 'line://shell:23?prompt=>%20' status --timeout 2s
  parley ask line://counter:4001 READ --quiet 300ms --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			if err := app.TakeTurns(false, &e); err != nil {
				return err
			}
			if cmd.Flags().Changed("quiet") && o.rule.Quiet == 0 {
				return fault.Usagef("--quiet 0: want the silence that ends an answer, such as 300ms")
			}
			return askAll(cmd.Context(), a, e, rest, o)
		},
		ValidArgsFunction: a.CompleteURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVarP(&o.rule.Count, "answers", "n", 1, "an answer is `N` messages; 0: do not wait for any")
	f.StringVar(&o.until, "until", "", "an answer is all messages up to the first that matches `REGEXP`")
	f.DurationVar(&o.rule.Quiet, "quiet", 0, "an answer is all messages until nothing has come for `TIME`")
	f.BoolVarP(&a.Quiet, "silent", "q", false, "nothing on stderr but errors: what -q is elsewhere")
	f.BoolVar(&o.keepGoing, "keep-going", false, "go on behind a question without an answer, on a new connection")
	f.BoolVar(&o.reconnect, "reconnect", false, "for a device that closes behind each answer: ask the next question on a new connection")
	f.StringArrayVar(&o.preamble, "preamble", nil, "send `MSG` first, after each connect")
	f.StringVar(&o.kind, "type", "text", "`TYPE` of questions that do not name theirs: "+strings.Join(input.Kinds, ", "))
	f.BoolVar(&o.pairs, "pairs", false, "print the question, a tab and the answer")
	f.BoolVar(&o.out.JSON, "json", false, "print each question with its answer and the round-trip time as JSON")
	f.BoolVar(&o.out.Hex, "hex", false, "print the bytes of answers in hexadecimal, one message per line")
	f.BoolVar(&o.out.Raw, "raw", false, "print the bytes of answers and nothing else")
	o.out.AddBlock(cmd)
	o.out.AddTimes(cmd)
	o.out.AddShape(cmd)
	a.DialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("pairs", "json", "raw")
	cmd.MarkFlagsMutuallyExclusive("pairs", "block")
	cmd.MarkFlagsMutuallyExclusive("raw", "block")
	cmd.MarkFlagsMutuallyExclusive("hex", "json", "raw")
	cmd.MarkFlagsMutuallyExclusive("answers", "until", "quiet")
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(input.Kinds, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// asking is one run of ask.
type asking struct {
	a     *app.App
	o     askOptions
	at    endpoint.Endpoint
	in    *askedFor
	out   *output.Printer
	asker ask.Asker
	conn  *parley.Conn // the last one; nil: it could not be made
	asked int
	last  bool             // nothing more will be asked
	bad   []parley.Message // questions without an answer
	first error            // of these
}

// askAll does what the command promises.
func askAll(ctx context.Context, a *app.App, e endpoint.Endpoint, args []string, o askOptions) error {
	r := &asking{a: a, o: o, at: e}
	var err error
	switch {
	case !slices.Contains(input.Kinds, o.kind):
		return fault.Usagef("--type %s: want %s", o.kind, strings.Join(input.Kinds, ", "))
	case o.rule.Count < 0 || o.rule.Quiet < 0:
		return fault.Usagef("--answers and --quiet can't be negative")
	}
	if o.until != "" {
		if o.rule.Until, err = fault.Regexp("--until", o.until); err != nil {
			return err
		}
	}
	if r.in, err = questionsOf(a, o.kind, args); err != nil {
		return err
	}
	if r.out, err = output.NewPrinter(a, o.out); err != nil {
		return err
	}
	d, err := a.Dialer(e)
	if err != nil {
		return err
	}
	app.TellsLost(d)
	if err := talk.SayFirst(d, o.preamble, o.kind); err != nil {
		return err
	}
	o.rule.SCPI = e.Protocol.Name() == "scpi"
	r.asker = ask.Asker{
		Rule:      o.rule,
		Timeout:   a.AnswerTimeout(),
		Reconnect: o.reconnect || o.keepGoing,
		Settle:    o.reconnect,
		Dial: func(ctx context.Context) (*parley.Conn, error) {
			c, err := a.Dial(ctx, e, d)
			r.conn = c
			return c, err
		},
		Message: output.Payload,
		Unasked: r.unasked,
	}
	err = r.run(ctx)
	if cerr := r.asker.Close(); err == nil {
		err = cerr
	}
	return err
}

// unasked tells what has come before a question.
func (r *asking) unasked(m parley.Message, err error) {
	switch {
	case err != nil:
	case r.last:
		err = fmt.Errorf("came behind the answer, and is no part of it (--answers, --until and --quiet say what is): %s", ask.Name(m))
	default:
		err = fmt.Errorf("came before the next question, so it is not its answer: %s", ask.Name(m))
	}
	r.a.Complain(err)
}

// run asks one question after the other.
func (r *asking) run(ctx context.Context) error {
	for {
		q, ok, err := r.in.next(ctx)
		switch {
		case err != nil:
			return err
		case !ok:
			r.last = true
			r.asker.Finish(ctx)
			return r.verdict()
		}
		x, err := r.asker.Ask(ctx, q)
		if perr := r.print(ctx, &x, r.conn, err); err == nil && perr != nil {
			err = perr
			if errors.As(perr, new(*output.NoBlockError)) {
				err = &ask.UnansweredError{Question: q, Err: perr}
			}
		}
		r.asked++
		if err == nil {
			continue
		}
		if r.conn != nil {
			err = diagnose.Explain(r.conn, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.As(err, new(*ask.UnansweredError)) || !r.o.keepGoing {
			return r.stopped(q, err)
		}
		r.a.Complain(err)
		r.bad = append(r.bad, q)
		if r.first == nil {
			r.first = err
		}
	}
}

// stopped says that err has kept q from being answered and the rest from being asked.
func (r *asking) stopped(q parley.Message, err error) error {
	if !errors.As(err, new(*ask.UnansweredError)) && r.asked == 1 {
		return err // there is no connection at all
	}
	code := askCode(err)
	rest, more := r.in.rest()
	var hint string
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		hint = f.Hint
		err = f.Err
	}
	if !errors.As(err, new(*ask.UnansweredError)) {
		err = fmt.Errorf("no answer to %s: %w", ask.Name(q), err)
	}
	text := "not asked: " + named(rest, more)
	if len(rest) == 0 && !more {
		text = ""
	}
	if hint != "" && text != "" {
		text += "\n  "
	}
	return &fault.Error{Code: code, Err: fmt.Errorf("%s: %w", r.at, err), Hint: text + hint}
}

// verdict is what the command ends with when all is asked.
func (r *asking) verdict() error {
	if r.first == nil {
		return nil
	}
	return &fault.Error{Code: askCode(r.first), Err: fmt.Errorf("%s: %d of %s without an answer: %s", r.at, len(r.bad), wording.Plural(r.asked, "question"), named(r.bad, false))}
}

// askCode is the exit code for a question without an answer.
func askCode(err error) int {
	code := fault.Code(err)
	if code == fault.Fail && errors.As(err, new(*ask.UnansweredError)) &&
		!errors.As(err, new(*parley.MessageError)) && !errors.As(err, new(*output.NoBlockError)) &&
		!errors.Is(err, parley.ErrTooLarge) && !errors.Is(err, parley.ErrNotRepresentable) {
		return fault.Timeout // the peer has closed
	}
	return code
}

// named lists questions.
func named(qs []parley.Message, more bool) string {
	const most = 20
	var names []string
	for i, q := range qs {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(qs)-most))
			break
		}
		names = append(names, ask.Name(q))
	}
	if more {
		names = append(names, "and what follows on standard input")
	}
	return strings.Join(names, ", ")
}

// print prints a question's answer, as much of it as has come.
func (r *asking) print(ctx context.Context, x *ask.Exchange, conn *parley.Conn, failed error) error {
	if r.o.out.JSON {
		return r.printJSON(ctx, x, failed)
	}
	if r.o.pairs && failed == nil && len(x.Answers) == 0 {
		return r.out.Pair(time.Now(), x.Question, nil)
	}
	r.out.SentAt(x.Sent)
	for _, answer := range x.Answers {
		var err error
		if r.o.pairs {
			err = r.out.Pair(answer.At, x.Question, &answer.Message)
		} else {
			var id uint64
			if conn != nil {
				id = conn.ID()
			}
			_, err = r.out.Print(ctx, answer.At, id, "in", r.at.Protocol.Name(), answer.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
