package device

import (
	"strconv"
	"strings"
)

// status is what IEEE 488.2 and SCPI report about a device: registers and a queue of
// errors.
type status struct {
	depth int
	queue []scpiError
	esr   int // standard event status register
	ese   int // which of its bits count for the status byte
	sre   int // which bits of the status byte ask for service
}

// push notes an error. A full queue says so in its last place.
func (s *status) push(e scpiError) {
	s.esr |= e.esrBit()
	if len(s.queue) >= s.depth {
		s.queue = append(s.queue[:s.depth-1], scpiErrors.overflow)
		s.esr |= scpiErrors.overflow.esrBit()
		return
	}
	s.queue = append(s.queue, e)
}

// next takes the oldest error.
func (s *status) next() scpiError {
	if len(s.queue) == 0 {
		return scpiErrors.none
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	return e
}

// statusByte returns what *STB? tells: errors wait (4), an event counts (32),
// and one of these asks for service (64).
func (s *status) statusByte() int {
	b := 0
	if len(s.queue) > 0 {
		b |= 4
	}
	if s.esr&s.ese != 0 {
		b |= 32
	}
	if b&s.sre != 0 {
		b |= 64
	}
	return b
}

// common does a command that devices of IEEE 488.2 and SCPI have in common.
// known says that u is one.
func (st *state) common(u *unit) (answer string, known bool, err error) {
	s := &st.status
	if u.query {
		answer, known = st.commonQuery(u)
		if known && u.params != "" {
			return "", true, scpiErrors.parameterNotAllowed
		}
		return answer, known, nil
	}
	name := strings.ToUpper(u.header)
	switch name {
	case "*ESE", "*SRE":
		return "", true, s.enable(name, u.params)
	case "*RST", "*CLS", "*OPC", "*WAI":
		if u.params != "" {
			return "", true, scpiErrors.parameterNotAllowed
		}
	}
	switch name {
	case "*RST":
		st.reset()
	case "*CLS":
		s.queue, s.esr = nil, 0
	case "*OPC": // all is done when the next command is read
		s.esr |= 1
	case "*WAI":
	default:
		return "", false, nil
	}
	return "", true, nil
}

// commonQuery answers one of the questions.
func (st *state) commonQuery(u *unit) (answer string, known bool) {
	s := &st.status
	number := func(n int) (string, bool) { return strconv.Itoa(n), true }
	switch strings.ToUpper(u.header) {
	case "*IDN":
		return st.def.idn, true
	case "*OPC":
		return "1", true
	case "*TST":
		return "0", true
	case "*ESE":
		return number(s.ese)
	case "*SRE":
		return number(s.sre)
	case "*STB":
		return number(s.statusByte())
	case "*ESR":
		if u.params == "" {
			defer func() { s.esr = 0 }()
		}
		return number(s.esr)
	}
	switch {
	case isPath("SYSTem:ERRor", u.header), isPath("SYSTem:ERRor:NEXT", u.header):
		if u.params != "" {
			return "", true
		}
		return s.next().Error(), true
	case isPath("SYSTem:ERRor:COUNt", u.header):
		return number(len(s.queue))
	case isPath("SYSTem:VERSion", u.header):
		return "1999.0", true
	}
	return "", false
}

// enable sets the mask of *ESE or *SRE.
func (s *status) enable(name, params string) error {
	if params == "" {
		return scpiErrors.missingParameter
	}
	f, err := parseNumber(params, "")
	if err != nil {
		return err
	}
	n := int(f + 0.5)
	if f < 0 || n > 255 {
		return scpiErrors.outOfRange
	}
	if name == "*ESE" {
		s.ese = n
	} else {
		s.sre = n &^ 64 // which asks for itself
	}
	return nil
}
