package line_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// A model is the wire said plainly: it has the whole stream, and looks at each of
// its bytes as often as it likes.
type model struct {
	p    line.Protocol
	ends []string
	in   string
	sent []string // whose echo has not come

	told []string
	err  bool
	late bool // the last loss may be an error instead
}

// modelRuns is how many conversations are made up.
const modelRuns = 5000

const modelBlanks = " \t\r\n\v\f"

// endAt returns the longest end that begins at or behind floor and ends at i.
func (m *model) endAt(floor, i int) (found string) {
	for _, e := range m.ends {
		if i-len(e) >= floor && m.in[i-len(e):i] == e && len(e) > len(found) {
			found = e
		}
	}
	return found
}

// beyond returns where the line that follows an end begins.
func (m *model) beyond(end string, i int) int {
	next := i
	for _, e := range m.ends {
		if tail, longer := strings.CutPrefix(e, end); longer && strings.HasPrefix(m.in[i:], tail) {
			next = max(next, i+len(tail))
		}
	}
	return next
}

// block returns where the block that begins at i ends; -1: it is none, or, with
// open, has no end.
func (m *model) block(i int) (end int, open bool) {
	s := m.in[i+1:]
	if s == "" || s[0] < '0' || s[0] > '9' {
		return -1, false
	}
	if s[0] == '0' {
		return len(m.in) + 1, false
	}
	digits, size := int(s[0]-'0'), 0
	for k := 1; k <= digits; k++ {
		if k >= len(s) || s[k] < '0' || s[k] > '9' {
			return -1, false
		}
		size = 10*size + int(s[k]-'0')
	}
	if end = i + 2 + digits + size; end > len(m.in) {
		return end, true
	}
	return end, false
}

// line returns where the content of the line at start ends, where the next begins
// and where its last block ends. ended: it has an end; open: the block at end, which
// would go on to next, has none.
func (m *model) line(start int, blocks bool) (end, next, block int, toEnd, ended, open bool) {
	floor, quote := start, byte(0)
	for i := start; i < len(m.in); {
		c := m.in[i]
		if blocks && !toEnd && c == '#' && quote == 0 && (i == start || i != block && strings.IndexByte(" \t,;:", m.in[i-1]) >= 0) {
			switch to, open := m.block(i); {
			case open:
				return i, to, 0, false, false, true
			case to > len(m.in):
				i += 2
				floor, block, toEnd = i, i, true
				continue
			case to > 0:
				i = to
				floor, block = i, i
				continue
			}
		}
		switch {
		case c != '"' && c != '\'':
		case quote == 0:
			quote = c
		case quote == c:
			quote = 0
		}
		i++
		if e := m.endAt(floor, i); e != "" {
			return i - len(e), m.beyond(e, i), block, toEnd, true, false
		}
	}
	return len(m.in), len(m.in), block, toEnd, false, false
}

// over reports whether a message of so many bytes is too long, and tells that it is
// lost. If the end of the stream is what ends it that may be told by an error.
func (m *model) over(size int, ended bool) bool {
	if int64(size) <= m.p.Max {
		return false
	}
	m.told = append(m.told, "lost")
	m.late = !ended
	return true
}

func (m *model) message(content string, block int, toEnd bool) {
	if m.p.Trim {
		for !toEnd && len(content) > block && strings.IndexByte(modelBlanks, content[len(content)-1]) >= 0 {
			content = content[:len(content)-1]
		}
		content = strings.TrimLeft(content, modelBlanks)
	}
	m.told = append(m.told, fmt.Sprintf("%q", content))
}

// echoed: line is the echo of what was sent.
func (m *model) echoed(line string) bool {
	for i, s := range m.sent {
		if i < 16 && strings.Trim(s, modelBlanks) == strings.Trim(line, modelBlanks) {
			m.sent = m.sent[i+1:]
			return m.p.Echo
		}
	}
	return false
}

// run reads all of the stream.
func (m *model) run() {
	at, skip, open := 0, m.p.Skip, m.p.Prompt == "" && m.p.Skip == 0
	for !open {
		if m.p.Prompt != "" && skip == 0 && strings.HasPrefix(m.in[at:], m.p.Prompt) {
			at += len(m.p.Prompt)
			break
		}
		end, next, _, _, ended, _ := m.line(at, false)
		if !ended || int64(end-at) > m.p.Max {
			m.err = true
			return
		}
		m.told = append(m.told, "!"+m.in[at:end])
		at = next
		skip = max(0, skip-1)
		open = skip == 0 && m.p.Prompt == ""
	}
	for at < len(m.in) || m.p.Prompt != "" {
		var done bool
		if m.p.Prompt == "" {
			at, done = m.one(at)
		} else {
			at, done = m.answer(at)
		}
		if done {
			return
		}
	}
}

// one reads a message that is a line.
func (m *model) one(at int) (next int, done bool) {
	end, next, block, toEnd, ended, open := m.line(at, m.p.Blocks)
	if open {
		m.cut(at, end, next)
		return next, true
	}
	if content := m.in[at:end]; !m.over(len(content), ended) && !m.echoed(content) {
		m.message(content, max(0, block-at), toEnd)
	}
	return next, !ended
}

// cut: the stream ends in the block at i of the message at at, which would end at to.
func (m *model) cut(at, i, to int) {
	m.over(max(i, to)-at, true)
	m.err = true
}

// answer reads a message that a prompt ends.
func (m *model) answer(at int) (next int, done bool) {
	first, second, content, block, toEnd := "", -1, "", 0, false
	i := at
	for {
		if strings.HasPrefix(m.in[i:], m.p.Prompt) {
			next = i + len(m.p.Prompt)
			break
		}
		if i == len(m.in) {
			next, done = i, true
			if i == at {
				return next, true
			}
			break
		}
		end, behind, b, z, ended, open := m.line(i, m.p.Blocks)
		if open {
			m.cut(at, end, behind)
			return 0, true
		}
		if toEnd = z; b > 0 {
			block = b - at
		}
		if second < 0 {
			first = m.in[i:end]
			if ended {
				second = behind
			}
		}
		content = m.in[at:end]
		i = behind
		if !ended {
			next, done = i, true
			break
		}
	}
	if m.over(len(content), !done) {
		return next, done
	}
	if m.echoed(first) {
		if second < 0 {
			second = len(m.in)
		}
		cut := min(second-at, len(content))
		content, block = content[cut:], max(0, block-cut)
	}
	m.message(content, block, toEnd)
	return next, done
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func random(rng *rand.Rand, alphabet string, n int) string {
	b := make([]byte, rng.IntN(n+1))
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(b)
}

// TestModel: whatever the options and the bytes, and however those are cut, the
// machine tells what the wire said plainly tells.
//
// Verifies: LINE-02, LINE-04, LINE-05, LINE-07, LINE-08, LINE-09, LINE-11, LINE-12, LINE-14
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	alphabets := []string{"\r\nab", "ab;", "abc", "#0123 ,'\"\n\r", "a#12;\n", "\r\n >$", "x#13 \n"}
	valid := 0
	for valid < modelRuns {
		alphabet := pick(rng, alphabets...)
		p := line.Protocol{Charset: line.Bytes, Blocks: rng.IntN(2) == 0, Trim: rng.IntN(4) == 0, Max: int64(pick(rng, 1, 3, 6, 100))}
		ends := []string{line.LF, line.CR, line.CRLF}
		if rng.IntN(2) == 0 {
			ends = nil
			for range 1 + rng.IntN(4) {
				ends = append(ends, random(rng, alphabet, 3))
			}
			p.End = line.Ends(ends...)
		}
		if rng.IntN(3) == 0 {
			p.Prompt = random(rng, alphabet, 2)
		}
		if rng.IntN(4) == 0 {
			p.Skip = rng.IntN(3)
		}
		p.Echo = rng.IntN(4) == 0
		if p.Validate(wire.Dialing) != nil {
			continue
		}
		m := model{p: p, ends: ends, in: random(rng, alphabet, 24)}
		d := wiretest.NewDriver(t, p, wire.Dialing, wire.Limits{})
		var sends []string
		if p.Echo {
			for range rng.IntN(4) {
				sends = append(sends, random(rng, alphabet, 2))
			}
		}
		valid++
		trial := p.New(wire.Dialing, wire.Limits{})
		for _, s := range sends {
			if _, _, err := trial.Send(nil, wire.Text(s)); err != nil {
				continue
			}
			if err := d.Send(wire.Text(s)); err != nil {
				t.Fatal(err)
			}
			m.sent = append(m.sent, s)
		}
		m.run()
		for rest := []byte(m.in); len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			if rng.IntN(2) == 0 {
				n = 1
			}
			d.Feed(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		err := d.EOF()
		var told []string
		for _, e := range d.Events {
			switch e.Kind {
			case wire.EventBanner:
				told = append(told, "!"+string(e.Message.Bytes()))
			case wire.EventMessage:
				told = append(told, fmt.Sprintf("%q", e.Message.Bytes()))
			case wire.EventLost:
				told = append(told, "lost")
			}
		}
		if m.late && err != nil {
			told = append(told, "lost")
			err = nil
		}
		if got, want := strings.Join(told, " "), strings.Join(m.told, " "); got != want || (err != nil) != m.err {
			t.Fatalf("seed %d: %+v, ends %q, sent %q\n in   %q\n got  %s, %v\n want %s, error %v", seed, p, ends, sends, m.in, got, err, want, m.err)
		}
	}
}

// TestWhatIsSentArrives: what Send takes arrives at a peer with the same set of
// ends, message by message.
//
// Verifies: LINE-03
func TestWhatIsSentArrives(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	for range modelRuns {
		alphabet := pick(rng, "\r\nab", "ab;", "abc", "#0123 ,'\"\n\r", "a#12;\n")
		p := line.Protocol{Charset: pick(rng, line.UTF8, line.Bytes), Blocks: rng.IntN(2) == 0}
		ends := []string{line.LF, line.CR, line.CRLF}
		if rng.IntN(3) > 0 {
			ends = nil
			for range 1 + rng.IntN(4) {
				ends = append(ends, random(rng, alphabet, 3))
			}
			p.End = line.Ends(ends...)
		}
		p.Send = pick(rng, ends...)
		if p.Validate(wire.Dialing) != nil {
			continue
		}
		from, to := p.New(wire.Dialing, wire.Limits{}), wiretest.NewDriver(t, p, wire.Accepting, wire.Limits{})
		var sent []string
		for range 1 + rng.IntN(5) {
			s := random(rng, alphabet, 5)
			out, _, err := from.Send(nil, wire.Text(s))
			if err != nil {
				continue
			}
			sent = append(sent, s)
			to.Feed(out)
		}
		var came []string
		if err := to.EOF(); err != nil {
			t.Fatalf("seed %d: %+v: sent %q: %v", seed, p, sent, err)
		}
		for _, m := range to.Messages() {
			came = append(came, string(m.Bytes()))
		}
		if !slices.Equal(came, sent) {
			t.Fatalf("seed %d: %+v, ends %q: sent %q, came %q", seed, p, ends, sent, came)
		}
	}
}
