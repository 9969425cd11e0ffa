package device

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/wire"
)

// run answers a request by the rules of the file.
func (s *Session) run(m wire.Message, text string, now time.Time) Reply {
	sc := s.scope(now)
	if sc.st.def.grammar == SCPI {
		return s.runLine(m, text, sc)
	}
	sc.request = text
	var r Reply
	h := sc.st.def.find(sc.st, m, text, nil)
	if h == nil {
		s.runUnknown(&r, sc, text)
		return r
	}
	sc.captures = h.captures
	if err := s.runRule(&r, sc, h); err != nil {
		s.fail(&r, sc, text, err)
		s.fallBack(&r, sc)
	}
	return r
}

// runUnknown answers a request that no rule is for: as a common command, or by
// the default.
func (s *Session) runUnknown(r *Reply, sc *scope, text string) {
	if sc.st.def.ieee488 {
		path := ""
		u := parseUnit(text, &path)
		answer, known, err := sc.st.common(&u)
		if known {
			if answer != "" {
				r.Answers = append(r.Answers, Answer{Message: wire.Text(answer)})
			}
			s.fail(r, sc, text, err)
			return
		}
		s.fail(r, sc, text, scpiErrors.undefinedHeader)
	}
	r.Unknown = sc.st.def.fallback == nil
	s.fallBack(r, sc)
}

// fallBack gives the default's answer.
func (s *Session) fallBack(r *Reply, sc *scope) {
	if f := sc.st.def.fallback; f != nil {
		r.Answers = append(r.Answers, s.messages(f.responses, sc)...)
	}
}

// fail notes an error: in the device's error queue, if it has one, and in the
// log.
func (s *Session) fail(r *Reply, sc *scope, command string, err error) {
	if err == nil {
		return
	}
	if sc.st.def.ieee488 {
		sc.st.status.push(asSCPI(err))
	}
	if len(r.Notes) < maxNotes {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %v", short(strconv.QuoteToASCII(short(command))), err))
	}
}

// maxNotes is how many notes one request makes.
const maxNotes = 8

// asSCPI returns the number that SCPI has for an error.
func asSCPI(err error) scpiError {
	var e scpiError
	if errors.As(err, &e) {
		return e
	}
	return scpiErrors.execution
}

// runRule does what a rule says. An error means that a value was refused and
// that the rule has no answer of its own for that.
func (s *Session) runRule(r *Reply, sc *scope, h *hit) error {
	if err := sc.assign(h.rule); err != nil {
		if !h.rule.hasError {
			return err
		}
		s.fail(r, sc, sc.request, err)
		r.Answers = append(r.Answers, s.messages(h.rule.onError, sc)...)
		return nil
	}
	list := h.rule.responses
	if n := len(h.rule.sequence); n > 0 {
		list = h.rule.sequence[sc.st.turns[h.number]%n]
		sc.st.turns[h.number]++
	}
	r.Delay += s.wait(h.rule.delay)
	r.Close = r.Close || h.rule.close
	r.Answers = append(r.Answers, s.messages(list, sc)...)
	return nil
}

// runLine answers a line of SCPI: one command after the other, and what they
// answer in one message.
func (s *Session) runLine(m wire.Message, line string, sc *scope) Reply {
	var all Reply
	size := 0
	for u := range units(line) {
		r := s.runUnit(m, u, sc)
		for _, a := range r.Answers {
			size += len(a.Message.Bytes())
		}
		if size > maxAnswer {
			s.fail(&all, sc, u.text, scpiErrors.deadlocked)
			all.Answers, all.open = nil, nil
			return all
		}
		all.add(r, ";")
		if all.Close {
			break
		}
	}
	all.close()
	return all
}

// runUnit answers one command.
func (s *Session) runUnit(m wire.Message, u unit, sc *scope) Reply {
	var r Reply
	sc.request, sc.captures, sc.channel = u.text, nil, 0
	if u.err != nil {
		s.fail(&r, sc, u.text, u.err)
		return r
	}
	h := sc.st.def.find(sc.st, m, u.text, &u)
	switch {
	case h == nil:
		s.unknownUnit(&r, sc, &u)
	case h.err != nil:
		s.fail(&r, sc, u.text, h.err)
	default:
		if err := s.runChannels(&r, sc, h); err != nil {
			s.fail(&r, sc, u.text, err)
		}
	}
	return r
}

// unknownUnit answers a command that no rule is for.
func (s *Session) unknownUnit(r *Reply, sc *scope, u *unit) {
	if sc.st.def.ieee488 {
		if answer, known, err := sc.st.common(u); known {
			if answer != "" {
				r.Answers = []Answer{{Message: wire.Text(answer)}}
			}
			s.fail(r, sc, u.text, err)
			return
		}
		s.fail(r, sc, u.text, scpiErrors.undefinedHeader)
	}
	r.Unknown = !sc.st.def.ieee488 && sc.st.def.fallback == nil
	s.fallBack(r, sc)
}

// runChannels does what a rule says, for each channel of a list if the command
// has one.
func (s *Session) runChannels(r *Reply, sc *scope, h *hit) error {
	sc.captures = h.captures
	name := ""
	if h.rule.header != nil {
		name = h.rule.header.channels()
	}
	if name == "" {
		return s.runOne(r, sc, h)
	}
	if h.captures[name] == "" {
		h.captures[name] = strconv.Itoa(sc.st.present())
		return s.runOne(r, sc, h)
	}
	list, err := channelList(h.captures[name])
	if err != nil {
		return err
	}
	for _, ch := range list {
		h.captures[name], sc.channel = strconv.Itoa(ch), ch
		one := Reply{}
		if err := s.runOne(&one, sc, h); err != nil {
			return err
		}
		r.add(one, ",")
	}
	r.close()
	return nil
}

// runOne does what a rule says: the file's, or that of a variable's command.
func (s *Session) runOne(r *Reply, sc *scope, h *hit) error {
	v := h.rule.auto
	if v == nil {
		return s.runRule(r, sc, h)
	}
	at, err := sc.ref(v, h.rule.channel)
	if err != nil {
		return err
	}
	v = at.v
	text := h.captures["value"]
	if !h.rule.header.query {
		value, err := v.parse(text, sc.st.get(at))
		if err == nil {
			sc.st.set(at, value)
		}
		return err
	}
	value := sc.st.get(at)
	if text != "" { // VOLT? MAX
		if v.kind != kindFloat && v.kind != kindInt {
			return scpiErrors.parameterNotAllowed
		}
		if value, err = v.parse(text, value); err != nil {
			return err
		}
	}
	r.Answers = append(r.Answers, Answer{Message: wire.Text(v.show(value))})
	return nil
}

// add puts what one command answers behind what those before it did: the last
// message and the first one become one, with sep in between.
func (r *Reply) add(more Reply, sep string) {
	r.Delay += more.Delay
	r.Close = r.Close || more.Close
	r.Unknown = r.Unknown || more.Unknown
	if left := maxNotes - len(r.Notes); left > 0 {
		r.Notes = append(r.Notes, more.Notes[:min(len(more.Notes), left)]...)
	}
	if len(r.Answers) == 0 || len(more.Answers) == 0 {
		r.Answers = append(r.Answers, more.Answers...)
		return
	}
	last, first := r.Answers[len(r.Answers)-1], more.Answers[0]
	if first.Err != nil || last.Err != nil {
		r.close()
		r.Answers = append(r.Answers, more.Answers...)
		return
	}
	r.Delay += first.Delay
	if r.open == nil {
		r.open = last.Message.AppendText(nil)
	}
	r.open = append(r.open, sep...)
	r.open = first.Message.AppendText(r.open)
	if len(more.Answers) > 1 {
		r.close()
		r.Answers = append(r.Answers, more.Answers[1:]...)
	}
}

// close makes the last message what has been joined.
func (r *Reply) close() {
	if r.open == nil {
		return
	}
	m := wire.Bytes(r.open)
	if utf8.Valid(r.open) {
		m = wire.TextBytes(r.open)
	}
	r.Answers[len(r.Answers)-1].Message = m
	r.open = nil
}
