package main

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
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// askOptions are the flags of ask.
type askOptions struct {
	kind      string
	out       outputFlags
	pairs     bool
	rule      ask.Rule
	until     string
	keepGoing bool
	reconnect bool
	preamble  []string
}

func askCmd(a *app) *cobra.Command {
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
			e, rest, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if err := takeTurns(false, &e); err != nil {
				return err
			}
			if cmd.Flags().Changed("quiet") && o.rule.Quiet == 0 {
				return usagef("--quiet 0: want the silence that ends an answer, such as 300ms")
			}
			return askAll(cmd.Context(), a, e, rest, o)
		},
		ValidArgsFunction: a.completeURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVarP(&o.rule.Count, "answers", "n", 1, "an answer is `N` messages; 0: do not wait for any")
	f.StringVar(&o.until, "until", "", "an answer is all messages up to the first that matches `REGEXP`")
	f.DurationVar(&o.rule.Quiet, "quiet", 0, "an answer is all messages until nothing has come for `TIME`")
	f.BoolVarP(&a.quiet, "silent", "q", false, "nothing on stderr but errors: what -q is elsewhere")
	f.BoolVar(&o.keepGoing, "keep-going", false, "go on behind a question without an answer, on a new connection")
	f.BoolVar(&o.reconnect, "reconnect", false, "for a device that closes behind each answer: ask the next question on a new connection")
	f.StringArrayVar(&o.preamble, "preamble", nil, "send `MSG` first, after each connect")
	f.StringVar(&o.kind, "type", "text", "`TYPE` of questions that do not name theirs: "+strings.Join(kinds, ", "))
	f.BoolVar(&o.pairs, "pairs", false, "print the question, a tab and the answer")
	f.BoolVar(&o.out.json, "json", false, "print each question with its answer and the round-trip time as JSON")
	f.BoolVar(&o.out.hex, "hex", false, "print the bytes of answers in hexadecimal, one message per line")
	f.BoolVar(&o.out.raw, "raw", false, "print the bytes of answers and nothing else")
	o.out.addBlock(cmd)
	o.out.addTimes(cmd)
	o.out.addShape(cmd)
	a.dialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("pairs", "json", "raw")
	cmd.MarkFlagsMutuallyExclusive("pairs", "block")
	cmd.MarkFlagsMutuallyExclusive("raw", "block")
	cmd.MarkFlagsMutuallyExclusive("hex", "json", "raw")
	cmd.MarkFlagsMutuallyExclusive("answers", "until", "quiet")
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// asking is one run of ask.
type asking struct {
	a     *app
	o     askOptions
	at    endpoint.Endpoint
	in    *askedFor
	out   *printer
	asker ask.Asker
	asked int
	last  bool             // nothing more will be asked
	bad   []parley.Message // questions without an answer
	first error            // of these
}

// askAll does what the command promises.
func askAll(ctx context.Context, a *app, e endpoint.Endpoint, args []string, o askOptions) error {
	r := &asking{a: a, o: o, at: e}
	var err error
	switch {
	case !slices.Contains(kinds, o.kind):
		return usagef("--type %s: want %s", o.kind, strings.Join(kinds, ", "))
	case o.rule.Count < 0 || o.rule.Quiet < 0:
		return usagef("--answers and --quiet can't be negative")
	}
	if o.until != "" {
		if o.rule.Until, err = regexpOf("--until", o.until); err != nil {
			return err
		}
	}
	if r.in, err = questionsOf(a, o.kind, args); err != nil {
		return err
	}
	if r.out, err = newPrinter(a, o.out); err != nil {
		return err
	}
	d, err := a.dialer(e)
	if err != nil {
		return err
	}
	if err := sayFirst(d, o.preamble, o.kind); err != nil {
		return err
	}
	o.rule.SCPI = e.Protocol.Name() == "scpi"
	r.asker = ask.Asker{
		Rule:      o.rule,
		Timeout:   a.answerTimeout(),
		Reconnect: o.reconnect || o.keepGoing,
		Settle:    o.reconnect,
		Dial:      func(ctx context.Context) (*parley.Conn, error) { return a.dial(ctx, e, d) },
		Message:   payload,
		Unasked:   r.unasked,
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
	r.a.complain(err)
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
		conn := r.asker.Conn()
		x, err := r.asker.Ask(ctx, q)
		if c := r.asker.Conn(); c != nil {
			conn = c
		}
		if perr := r.print(ctx, &x, conn, err); err == nil && perr != nil {
			err = perr
			if errors.As(perr, new(*noBlockError)) {
				err = &ask.UnansweredError{Question: q, Err: perr}
			}
		}
		r.asked++
		if err == nil {
			continue
		}
		if conn != nil {
			err = explain(conn, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.As(err, new(*ask.UnansweredError)) || !r.o.keepGoing {
			return r.stopped(q, err)
		}
		r.a.complain(err)
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
	if f := (*fault)(nil); errors.As(err, &f) {
		hint = f.hint
		err = f.err
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
	return &fault{code: code, err: fmt.Errorf("%s: %w", r.at, err), hint: text + hint}
}

// verdict is what the command ends with when all is asked.
func (r *asking) verdict() error {
	if r.first == nil {
		return nil
	}
	return &fault{code: askCode(r.first), err: fmt.Errorf("%s: %d of %s without an answer: %s", r.at, len(r.bad), plural(r.asked, "question"), named(r.bad, false))}
}

// askCode is the exit code for a question without an answer.
func askCode(err error) int {
	code := exitCode(err)
	if code == exitFail && errors.As(err, new(*ask.UnansweredError)) &&
		!errors.As(err, new(*parley.MessageError)) && !errors.As(err, new(*noBlockError)) &&
		!errors.Is(err, parley.ErrTooLarge) && !errors.Is(err, parley.ErrNotRepresentable) {
		return exitTimeout // the peer has closed
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
	if r.o.out.json {
		return r.printJSON(ctx, x, failed)
	}
	if r.o.pairs && failed == nil && len(x.Answers) == 0 {
		return r.out.pair(time.Now(), x.Question, nil)
	}
	r.out.sentAt(x.Sent)
	for _, answer := range x.Answers {
		var err error
		if r.o.pairs {
			err = r.out.pair(answer.At, x.Question, &answer.Message)
		} else {
			var id uint64
			if conn != nil {
				id = conn.ID()
			}
			_, err = r.out.print(ctx, answer.At, id, "in", r.at.Protocol.Name(), answer.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
