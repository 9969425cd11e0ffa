package device

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/parley-net/parley/wire"
)

// Faults are what goes wrong with answers: a share of them, from 0 to 1, is
// lost, late, cut short, garbled, or the end of the connection. Each is drawn
// by itself: an answer may be late and cut short.
type Faults struct {
	drop, late, cut, garble, end float64
	delay                        span // of every answer
	lateBy                       span
	seed                         *uint64
}

// faultNames are the names of faults, as --fault has them.
const faultNames = "drop, late, cut, garble, close (shares from 0 to 1), delay, late-by (times such as 10ms or 10ms..200ms), seed"

// ParseFaults reads drop=0.01,delay=10ms..200ms,seed=1.
func ParseFaults(s string) (Faults, error) {
	var f Faults
	for item := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(item, "=")
		if !ok {
			return f, fmt.Errorf("%q: want NAME=VALUE with %s", item, faultNames)
		}
		if err := f.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return f, err
		}
	}
	return f, nil
}

// Seed returns the seed that was given with the faults, by the flag or else by
// the file.
func (def *Definition) Seed(extra Faults) (seed uint64, ok bool) {
	if extra.seed != nil {
		return *extra.seed, true
	}
	if def.prog != nil && def.prog.faults.seed != nil {
		return *def.prog.faults.seed, true
	}
	return 0, false
}

// set sets one fault by its name.
func (f *Faults) set(name, value string) error {
	shares := map[string]*float64{"drop": &f.drop, "late": &f.late, "cut": &f.cut, "garble": &f.garble, "close": &f.end}
	if p := shares[name]; p != nil {
		share, err := strconv.ParseFloat(value, 64)
		if err != nil || !(share >= 0 && share <= 1) {
			return fmt.Errorf("%s=%s: want a share of the answers, from 0 to 1", name, value)
		}
		*p = share
		return nil
	}
	var err error
	switch name {
	case "delay":
		f.delay, err = parseSpan(value)
	case "late-by":
		f.lateBy, err = parseSpan(value)
	case "seed":
		var seed uint64
		if seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = errors.New("want a whole number from 0")
		}
		f.seed = &seed
	default:
		return fmt.Errorf("there is no fault %q: use %s", name, faultNames)
	}
	if err == nil && (f.delay.lo < 0 || f.lateBy.lo < 0) {
		err = errors.New("a time is not below 0")
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	return nil
}

// any reports whether there are faults.
func (f Faults) any() bool {
	return f.drop+f.late+f.cut+f.garble+f.end > 0 || f.delay != span{}
}

// and returns the faults f with those that more names instead.
func (f Faults) and(more Faults) Faults {
	for _, p := range []struct{ to, from *float64 }{{&f.drop, &more.drop}, {&f.late, &more.late}, {&f.cut, &more.cut}, {&f.garble, &more.garble}, {&f.end, &more.end}} {
		if *p.from > 0 {
			*p.to = *p.from
		}
	}
	if more.delay != (span{}) {
		f.delay = more.delay
	}
	if more.lateBy != (span{}) {
		f.lateBy = more.lateBy
	}
	return f
}

// spoil does to a reply what the faults have for it. Each answer takes the same
// number of random numbers, whatever happens to it.
func (f Faults) spoil(r *Reply, rnd *rand.Rand) {
	if !f.any() {
		return
	}
	lateBy := f.lateBy
	if lateBy == (span{}) {
		lateBy = span{2 * time.Second, 5 * time.Second}
	}
	kept := r.Answers[:0]
	for _, a := range r.Answers {
		hit := func(share float64) bool { return rnd.Float64() < share }
		drop, late, cut, garble, end := hit(f.drop), hit(f.late), hit(f.cut), hit(f.garble), hit(f.end)
		delay, behind, where, with := f.delay.draw(rnd), lateBy.draw(rnd), rnd.Float64(), rnd.IntN(94)
		if end {
			r.Close = true
			break
		}
		if drop {
			continue
		}
		a.Delay += delay
		if late {
			a.Delay += behind
		}
		if cut {
			a.Message = spoiled(a.Message, func(b []byte) []byte { return b[:int(where*float64(len(b)))] })
		}
		if garble {
			a.Message = spoiled(a.Message, func(b []byte) []byte { return garbled(b, where, with) })
		}
		kept = append(kept, a)
	}
	r.Answers = kept
}

// spoiled returns a message with other bytes; one that is no text or bytes
// becomes text.
func spoiled(m wire.Message, change func([]byte) []byte) wire.Message {
	b := change([]byte(m.Text()))
	if m.Type() == wire.TypeBytes {
		return wire.Bytes(b)
	}
	return wire.Text(strings.ToValidUTF8(string(b), "?"))
}

// garbled returns b with another printable character in one place.
func garbled(b []byte, where float64, with int) []byte {
	if len(b) == 0 {
		return b
	}
	i := int(where * float64(len(b)))
	c := byte(33 + with)
	if c == b[i] {
		c = byte(33 + (with+1)%94)
	}
	b[i] = c
	return b
}
