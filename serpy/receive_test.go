package serpy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: SERPY-01, SERPY-02, SERPY-03, SERPY-07, SERPY-08, SERPY-09, SERPY-13, SERPY-26, SERPY-27, SERPY-29
func TestReceive(t *testing.T) {
	const (
		set0 = "\x01SETMODE0\x1f"
		set1 = "\x01SETMODE1\x1f"
		set2 = "\x01SETMODE2\x1f"
		set3 = "\x01SETMODE3\x1f"
		set4 = "\x01SETMODE4\x1f"
		set5 = "\x01SETMODE5\x1f"
		set9 = "\x01SETMODE9\x1f"
		bad  = "\x01SETMODE\x1f"

		M, E = modeAnswer, messageAnswer
	)
	long := strings.Repeat("x", 100)
	latin1 := Protocol{Encoding: encoding(t, "latin-1")}
	none := b85text(t, nil)
	for name, test := range map[string]struct {
		protocol Protocol
		limit    int64
		in       string
		want     string // events
		answers  string
	}{
		"blocks":               {in: "a\x1fbc\x1f", want: "bytes/0[1] 61, bytes/0[2] 6263"},
		"empty blocks":         {in: "\x1f\x1fa\x1f\x1f" + set1 + "\x1f\x1f" + set4 + "\x1f", want: "bytes/0[1] 61", answers: M + M},
		"high bytes":           {in: "\xff\x80\x00\x1f", want: "bytes/0[3] ff8000"},
		"the mode in force":    {in: "a\x1f" + set2 + "VE\x1f" + set2 + "VE\x1f" + set0 + "VE\x1f", want: "bytes/0[1] 61, bytes/2[1] 61, bytes/2[1] 61, bytes/0[2] 5645", answers: M + M + M},
		"the order of answers": {in: set1 + "a\x04\x1f" + set0 + set1 + "b\x04\x1fc\x04\x1f", want: "bytes/1[1] 61, bytes/1[1] 62, bytes/1[1] 63", answers: M + E + M + M + E + E},
		"no text but SOH":      {in: "\x01\x1f\x01x\x1f", want: `text/0[0] "", text/0[1] "x"`},
		"SOH text in latin-1":  {protocol: latin1, in: "\x01h\xe9\x1f", want: `text/0[3] "hé"`},
		"SOH text in ascii":    {in: "\x01h\xe9\x1fa\x1f", want: "lost, bytes/0[1] 61"},
		"nothing but SOH in 2": {in: set2 + "\x01\x1f", want: "bytes/2[0] ", answers: M},

		// Messages of several blocks.
		"pieces":                {in: set1 + "a\x1f\x1fb\x1fc\x04\x1f", want: "bytes/1[3] 616263", answers: M + E},
		"an EOT on its own":     {in: set1 + "a\x1f\x04\x1f\x04\x1f", want: "bytes/1[1] 61, bytes/1[0] ", answers: M + E + E},
		"behind the EOT":        {in: set1 + "a\x04b\x1fc\x04d\x04e\x1f\x04\x1f", want: "bytes/1[1] 61, bytes/1[2] 6263, bytes/1[1] 64, bytes/1[1] 65", answers: M + E + E + E + E},
		"a SOH behind the EOT":  {in: set1 + "a\x04\x01ACKMODCG\x04\x1fb\x04\x01x\x1fy\x04\x1f", want: "bytes/1[1] 61, bytes/1[9] 0141434b4d4f444347, bytes/1[1] 62, bytes/1[3] 017879", answers: M + E + E + E + E},
		"a SOH behind, then 1F": {in: set1 + "a\x04\x01ACKMODCG\x1fb\x04\x1f", want: "bytes/1[1] 61, bytes/1[10] 01" + hex("ACKMODCGb"), answers: M + E + E},
		"a SOH in 1":            {in: set1 + "a\x1f\x01b\x1f\x01ACKEOT!!\x04\x1f", want: "bytes/1[12] 61016201" + hex("ACKEOT!!"), answers: M + E},
		"a SOH in 3":            {in: set3 + "\x01V\x1f\x01P\x1f\x01az\x04\x01VE\x04\x1f", want: "bytes/3[3] 616263, lost", answers: M + E},
		"commands between":      {in: set1 + "a\x1f\x01ACKMODCG\x1f\x01ACKEOT!!\x1fb\x1f" + set1 + "c\x04\x1f", want: "bytes/1[3] 616263", answers: M + M + E},
		"pieces of a pickle":    {in: set5 + none[:1] + "\x1f" + none[1:3] + "\x1f" + none[3:] + "\x04\x1f", want: "object/5 <nil>", answers: M + E},
		"1 becomes 3":           {in: set1 + "V\x1f" + set3 + "E\x04\x1f", want: "bytes/3[1] 61", answers: M + M + E},
		"3 becomes 1":           {in: set3 + "\x01V\x1f" + set1 + "E\x04\x1f", want: "bytes/1[3] 015645", answers: M + M + E},
		"1 becomes 0 and 1":     {in: set1 + "a\x1f" + set0 + "\x1f" + set1 + "b\x04\x1f", want: "bytes/1[2] 6162", answers: M + M + M + E},
		"1 becomes 0":           {in: set1 + "a\x1f" + set0 + "b\x1f" + set1 + "c\x04\x1f", want: "lost, bytes/0[1] 62, bytes/1[1] 63", answers: M + M + M + E},
		"1 becomes 0, SOH":      {in: set1 + "a\x1f" + set0 + "\x01b\x1f", want: `lost, text/0[1] "b"`, answers: M + M},

		// Modes that do not exist.
		"mode 9":              {in: set9 + "a\x1f\x1f\x01b\x1f" + set0 + "c\x1f", want: "lost, lost, bytes/0[1] 63", answers: M + M},
		"1 becomes 9":         {in: set1 + "a\x1f" + set9 + "b\x04\x1f", want: "lost, lost", answers: M + M},
		"no digit":            {in: set2 + bad + "VE\x1f\x01SETMODE2x\x1fVE\x1f", want: "lost, bytes/2[1] 61, lost, bytes/2[1] 61", answers: M},
		"no digit in between": {in: set1 + "a\x1f" + bad + bad + "b\x1f" + bad + "c\x04\x1fd\x04\x1f", want: "lost, bytes/1[1] 64", answers: M + E},
		"no digit, then 0":    {in: set1 + "a\x1f" + bad + set0 + "b\x1f", want: "lost, bytes/0[1] 62", answers: M + M},

		// Pickles.
		"pickles": {
			in:      set4 + b85text(t, []byte("ab")) + "\x1f" + b85text(t, "é") + "\x1f" + b85text(t, 7) + "\x1f" + b85text(t, new(big.Int).Lsh(big.NewInt(1), 70)) + "\x1f" + b85text(t, 2.5) + "\x1f" + b85text(t, true) + "\x1f" + none + "\x1f",
			want:    `bytes/4[2] 6162, text/4[2] "é", int/4 7, int/4 1180591620717411303424, float/4 2.5, object/4 true, object/4 <nil>`,
			answers: M,
		},
		"no pickles":  {protocol: Protocol{NoPickle: true}, in: set4 + b85text(t, "a") + "\x1fVE\x1f", want: "bytes/4[" + describe(t, "a") + ", bytes/4[1] 61", answers: M},
		"bad pickles": {in: set5 + "VE\x04" + none + "\x04\x1f\x04\x1f" + set4 + "\x01\x1f", want: "lost, object/5 <nil>, lost, lost", answers: M + E + M},
		"bad base85":  {in: set3 + "V,\x04VE\x04\x1f~~~~~\x04\x1fVE\x04\x1f", want: "lost, bytes/3[1] 61, lost, bytes/3[1] 61", answers: M + E + E},

		// The limit. What arrives here in one piece, and elsewhere in many, is
		// looked at in the same way.
		"limit in 0":            {limit: 3, in: "abc\x1fabcd\x1f" + long + "\x1fabc\x1f", want: "bytes/0[3] 616263, lost, lost, bytes/0[3] 616263"},
		"limit in 0, SOH":       {limit: 3, in: "\x01abc\x1f\x01abcd\x1f\x01" + long + "\x1f", want: `text/0[3] "abc", lost, lost`},
		"limit in 1":            {limit: 3, in: set1 + "abc\x04abcd\x04abc\x04\x1f" + long + "\x1fab\x1f\x01ACKMODCG\x1fc\x04d\x1fe\x04\x1f", want: "bytes/1[3] 616263, lost, bytes/1[3] 616263, lost, bytes/1[1] 65", answers: M + E + E + E},
		"limit in 2":            {limit: 3, in: set2 + "VPaz\x1f" + "VPazV\x1f" + "VPazVP\x1f" + long + "\x1fVE\x1f", want: "bytes/2[3] 616263, lost, lost, lost, bytes/2[1] 61", answers: M},
		"limit in 4":            {limit: 4, in: set4 + none + "\x1f" + b85text(t, true) + "\x1f" + b85text(t, "a") + "\x1f", want: "object/4 <nil>, object/4 true, lost", answers: M},
		"limit over blocks":     {limit: 100, in: set1 + long[:60] + "\x1f" + long[:40] + "\x04\x1f" + long[:60] + "\x1f" + long[:50] + "\x1f\x1fa\x04b\x04\x1fc\x04\x1f", want: "bytes/1[100] " + hex(long[:64]) + "…, lost, bytes/1[1] 63", answers: M + E + E},
		"limit and commands":    {limit: 100, in: set1 + "a\x1f" + strings.Repeat("\x01ACKMODCG\x1f", 10) + set1 + "b\x04\x1fc\x04\x1f", want: "lost, bytes/1[1] 63", answers: M + M + E},
		"limit, then mode 0":    {limit: 3, in: set1 + long + "\x1f" + set0 + "a\x1f", want: "lost, bytes/0[1] 61", answers: M + M},
		"limit, then no digit":  {limit: 3, in: set1 + long + "\x1f" + bad + "a\x04\x1fb\x04\x1f", want: "lost, bytes/1[1] 62", answers: M + E},
		"no long commands":      {limit: 3, in: "\x01SETMODE" + long + "2\x1fa\x1f", want: "lost, bytes/0[1] 61"},
		"long enough commands":  {limit: 200, in: "\x01SETMODE" + long + "2\x1fVE\x1f", want: "bytes/2[1] 61", answers: M},
		"commands have room":    {limit: 1, in: "\x01SETMODE is 1\x1fa\x04\x1f", want: "bytes/1[1] 61", answers: M + E},
		"EOTs that exceed it":   {limit: 1, in: set1 + strings.Repeat("a\x04", 40) + "\x1fb\x04\x1f", want: "lost, bytes/1[1] 62", answers: M + E},
		"a lost block, then 04": {limit: 1, in: set1 + long + "\x04a\x1fb\x04\x1f", want: "lost, bytes/1[1] 62", answers: M + E},
	} {
		t.Run(name, func(t *testing.T) {
			for _, feed := range []func(*wiretest.Driver, []byte){(*wiretest.Driver).Feed, (*wiretest.Driver).FeedBytewise} {
				d := wiretest.NewDriver(t, test.protocol, wire.Accepting, wire.Limits{MaxMessage: test.limit})
				feed(d, []byte(test.in))
				if err := d.EOF(); err != nil {
					t.Errorf("end of stream: %v", err)
				}
				if got := events(d); got != test.want {
					t.Errorf("events are\n %s, want\n %s\nin full: %v", got, test.want, d.Events)
				}
				if got := string(d.Out); got != test.answers {
					t.Errorf("answers are\n %q, want\n %q", got, test.answers)
				}
			}
			wiretest.CheckInput(t, test.protocol, wiretest.Stream{Bytes: []byte(test.in), Limits: wire.Limits{MaxMessage: test.limit}})
		})
	}
}

func pickled(t testing.TB, v any) []byte {
	p, err := pickle.Append(nil, v, 5)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// b85text is a value as it stands in a block of mode 4.
func b85text(t testing.TB, v any) string { return string(b85.Encode(nil, pickled(t, v))) }

// describe is the end of the description of the pickle of v.
func describe(t testing.TB, v any) string {
	return strings.TrimPrefix(wire.Bytes(pickled(t, v)).String(), "bytes[")
}

// A lost message is told from others by where it began, and why.
//
// Verifies: SERPY-26
func TestLost(t *testing.T) {
	for name, test := range map[string]struct {
		in     string
		limit  int64
		offset int64
		check  func(error) bool
	}{
		"base85":     {in: "a\x1f\x01SETMODE2\x1fV,\x1f", offset: 12, check: func(err error) bool { return isB85(err, 1) }},
		"pickle":     {in: "\x01SETMODE4\x1fVE\x1f", offset: 10, check: isPickle},
		"pieces":     {in: "\x01SETMODE3\x1fV\x1f\x01ACKMODCG\x1fx,\x04\x1f", offset: 10, check: func(err error) bool { return isB85(err, 2) }},
		"second":     {in: "\x01SETMODE3\x1fVE\x04,,\x04\x1f", offset: 13, check: func(err error) bool { return isB85(err, 0) }},
		"large":      {in: "a\x1f" + strings.Repeat("x", 100) + "\x1f", limit: 9, offset: 2, check: isTooLarge},
		"too large":  {in: "a\x1f" + strings.Repeat("x", 10) + "\x1f", limit: 9, offset: 2, check: isTooLarge},
		"text":       {in: "abc\x1f\x01\xff\x1f", offset: 4, check: func(err error) bool { return strings.Contains(err.Error(), "byte FF at offset 0") }},
		"mode":       {in: "\x01SETMODE7\x1fa\x1f", offset: 10, check: func(err error) bool { return strings.Contains(err.Error(), "mode 7") }},
		"no mode":    {in: "a\x1f\x01SETMODEx\x1f", offset: 2, check: func(err error) bool { return strings.Contains(err.Error(), "SETMODE") }},
		"unfinished": {in: "\x01SETMODE1\x1fa\x1f\x01SETMODE0\x1fb\x1f", offset: 10, check: func(err error) bool { return strings.Contains(err.Error(), "04") }},
	} {
		t.Run(name, func(t *testing.T) {
			m := Protocol{}.New(wire.Accepting, wire.Limits{MaxMessage: test.limit})
			wiretest.Receive(m, nil)
			in := []byte(test.in)
			var lost error
			for {
				n, ev, err := wiretest.Receive(m, in)
				if err != nil {
					t.Fatal(err)
				}
				if in = in[n:]; ev.Kind == wire.EventNone {
					break
				}
				if ev.Kind == wire.EventLost {
					lost = ev.Err
				}
			}
			var e *wire.MessageError
			if !errors.As(lost, &e) || e.Protocol != "serpy" || e.Offset != test.offset || !test.check(lost) {
				t.Errorf("lost with %v, want a MessageError at byte %d with its cause", lost, test.offset)
			}
		})
	}
}

func isB85(err error, offset int) bool {
	var e *b85.Error
	return errors.As(err, &e) && e.Offset == offset
}

func isPickle(err error) bool {
	var e *pickle.Error
	return errors.As(err, &e)
}

func isTooLarge(err error) bool { return errors.Is(err, wire.ErrTooLarge) }

// In each mode a payload of the largest size arrives, and one more byte is too
// many: limits are those of payloads, not of their forms.
//
// Verifies: SERPY-26
func TestLargestPayload(t *testing.T) {
	const limit = 1000
	for mode := range 6 {
		for size := limit; size <= limit+1; size++ {
			data := bytes.Repeat([]byte("x"), size)
			if mode >= 4 { // the pickle is the payload
				data = pickled(t, strings.Repeat("x", size-(len(pickled(t, strings.Repeat("x", size)))-size)))
			}
			if len(data) != size {
				t.Fatalf("mode %d: %d bytes, want %d", mode, len(data), size)
			}
			if mode >= 2 {
				data = b85.Encode(nil, data)
			}
			if mode&1 == 1 {
				data = append(data, eot)
			}
			d := wiretest.NewDriver(t, Protocol{NoPickle: true}, wire.Accepting, wire.Limits{MaxMessage: limit})
			d.Feed(fmt.Appendf(nil, "\x01SETMODE%d\x1f%s\x1f", mode, data))
			if got := d.Count(wire.EventMessage); got != limit+1-size {
				t.Errorf("mode %d, %d bytes: %d messages: %v", mode, size, got, d.Events)
			}
		}
	}
}

// Verifies: SERPY-28
func TestEOF(t *testing.T) {
	for in, clean := range map[string]bool{
		"":                                     true,
		"a\x1f":                                true,
		"\x1f":                                 true,
		"\x01SETMODE1\x1f":                     true,
		"\x01SETMODE1\x1fa\x04\x1f":            true,
		"a":                                    false,
		"\x01":                                 false,
		"\x01SETMODE1":                         false,
		"\x01SETMODE1\x1fa\x04":                false,
		"\x01SETMODE1\x1fa\x1f":                false,
		"\x01SETMODE1\x1fa\x04b\x1f":           false,
		"\x01SETMODE1\x1fa\x1f\x01SETMODE\x1f": false,
		strings.Repeat("x", 200):               false,
		"\x01SETMODE1\x1f" + strings.Repeat("x", 200) + "\x1f": false,
	} {
		for _, feed := range []func(*wiretest.Driver, []byte){(*wiretest.Driver).Feed, (*wiretest.Driver).FeedBytewise} {
			d := wiretest.NewDriver(t, Protocol{}, wire.Dialing, wire.Limits{MaxMessage: 100})
			feed(d, []byte(in))
			err := d.EOF()
			if clean {
				if err != nil {
					t.Errorf("%q: %v", in, err)
				}
				continue
			}
			var e *wire.ProtocolError
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &e) || e.Offset != int64(len(in)) {
				t.Errorf("%q: error %v, want a ProtocolError at byte %d that wraps io.ErrUnexpectedEOF", in, err, len(in))
			}
		}
	}
}

// What waits for its end is bounded; what exceeds the limit is consumed.
//
// Verifies: SERPY-29
func TestReceiveHoldsLittle(t *testing.T) {
	const limit = 1000
	for name, test := range map[string]struct {
		setup, more string
		most        int
	}{
		"mode 0":              {"", "x", limit + 2},
		"mode 0, SOH":         {"\x01", "x", limit + 2},
		"mode 1":              {"\x01SETMODE1\x1f", "x", limit + 2},
		"mode 1, pieces":      {"\x01SETMODE1\x1f", "x\x1f", limit + 2},
		"mode 1, commands":    {"\x01SETMODE1\x1fx\x1f", "\x01ACKMODCG\x1f", limit + 12},
		"mode 1, held, SOH":   {"\x01SETMODE1\x1f" + strings.Repeat("x", limit) + "\x1f\x01", "x", 2*limit + 5},
		"mode 2":              {"\x01SETMODE2\x1f", "x", limit*5/4 + 2},
		"mode 5":              {"\x01SETMODE5\x1f", "xxx\x1f", limit*5/4 + 2},
		"a mode unheard of":   {"\x01SETMODE8\x1f", "x", limit*5/4 + 2},
		"mode 3, then mode 1": {"\x01SETMODE3\x1f" + strings.Repeat("x", limit/2) + "\x1f\x01SETMODE1\x1f", "x", limit + 12},
	} {
		t.Run(name, func(t *testing.T) {
			d := wiretest.NewDriver(t, Protocol{}, wire.Accepting, wire.Limits{MaxMessage: limit})
			d.Feed([]byte(test.setup))
			most := 0
			for range 5000 {
				d.Feed([]byte(test.more))
				most = max(most, d.Rest())
			}
			if most > test.most || most < limit*9/10 {
				t.Errorf("up to %d bytes wait, want no more than %d", most, test.most)
			}
		})
	}
}

// Receive looks at each byte once, however often the rest is presented again.
func TestReceiveIsLinear(t *testing.T) {
	m := Protocol{}.New(wire.Accepting, wire.Limits{}).(*machine)
	wiretest.Receive(m, nil)
	p := []byte(strings.Repeat("x", 100))
	if n, ev, _ := wiretest.Receive(m, p); n != 0 || ev.Kind != wire.EventNone || m.seen != len(p) {
		t.Fatalf("n = %d, event %v, %d of %d bytes seen", n, ev.Kind, m.seen, len(p))
	}
	p[50] = separator // as no peer can, to see that Receive does not look there again
	if n, ev, _ := wiretest.Receive(m, append(p, 'y')); n != 0 || ev.Kind != wire.EventNone {
		t.Fatalf("Receive has looked at byte 50 again: n = %d, event %v", n, ev.Kind)
	}

	// Nor does it search the rest of a block again for each message in it.
	m = Protocol{}.New(wire.Accepting, wire.Limits{}).(*machine)
	wiretest.Receive(m, nil)
	p = []byte("\x01SETMODE1\x1f" + strings.Repeat("a\x04", 100) + "\x1f")
	n, ev, _ := wiretest.Receive(m, p)
	if rest := p[n:]; ev.Kind != wire.EventMessage || len(rest) != 199 || m.seen != 198 {
		t.Fatalf("event %v, %d bytes left, of which %d are seen", ev.Kind, len(rest), m.seen)
	}
}

// Verifies: SERPY-19, SERPY-22
func TestConfirmations(t *testing.T) {
	d := wiretest.NewDriver(t, Protocol{}, wire.Dialing, wire.Limits{})
	d.Feed([]byte(messageAnswer + modeAnswer + messageAnswer)) // nobody asked
	if got := events(d); got != "" || d.Machine.Awaiting() != 0 {
		t.Fatalf("unsolicited answers give %s; %d answers awaited", got, d.Machine.Awaiting())
	}
	for _, m := range []wire.Message{wire.Text("a").WithConfirm(), wire.Text("b"), wire.Bytes([]byte("c")).WithConfirm(), wire.Object(nil).WithConfirm()} {
		if err := d.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.Machine.Awaiting(); got != 4 {
		t.Errorf("%d mode acknowledgements awaited, want 4", got)
	}
	d.Feed([]byte(modeAnswer + messageAnswer + modeAnswer + modeAnswer))
	if got := d.Count(wire.EventConfirmed); got != 1 || d.Machine.Awaiting() != 1 {
		t.Errorf("%d confirmed and %d answers awaited, want 1 and 1", got, d.Machine.Awaiting())
	}
	d.Feed([]byte(messageAnswer + modeAnswer + messageAnswer + messageAnswer + modeAnswer))
	if got := d.Count(wire.EventConfirmed); got != 3 || d.Machine.Awaiting() != 0 {
		t.Errorf("%d confirmed and %d answers awaited, want 3 and 0", got, d.Machine.Awaiting())
	}
	// Also in the middle of a message.
	if err := d.Send(wire.Text("d").WithConfirm()); err != nil {
		t.Fatal(err)
	}
	d.Feed([]byte("\x01SETMODE1\x1fx\x1f" + messageAnswer + "y\x04\x1f"))
	if got := events(d); got != "confirmed 4, bytes/1[2] 7879" {
		t.Errorf("events are %s", got)
	}
}

// A plain device, which ends its lines, is named as one.
func TestPlainDevice(t *testing.T) {
	var ev wire.Event
	m := Protocol{}.New(wire.Dialing, wire.Limits{})
	m.Receive(nil, &ev)
	device := []byte("ERR: unknown command\r\n")
	n, err := m.Receive(device, &ev)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.ReceiveEOF(device[n:], &ev); err == nil || !strings.Contains(err.Error(), "plain device") || !strings.Contains(err.Error(), "line://") {
		t.Error(err)
	}
}
