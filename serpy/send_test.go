package serpy

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func opened(t testing.TB, p Protocol) wire.Machine {
	m := p.New(wire.Dialing, wire.Limits{})
	if _, ev, err := wiretest.Receive(m, nil); ev.Kind != wire.EventOpen || err != nil {
		t.Fatalf("the first event is %v, error %v, want EventOpen", ev.Kind, err)
	}
	return m
}

// Verifies: SERPY-05, SERPY-06, SERPY-10, SERPY-11, SERPY-12, SERPY-16, SERPY-17, SERPY-18
func TestSend(t *testing.T) {
	text := wire.Text
	data := func(s string) wire.Message { return wire.Bytes([]byte(s)) }
	object := wire.Object(true)
	true85 := b85text(t, true)
	big30 := wire.BigInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil))
	force := func(mode int) Protocol { return Protocol{ForceMode: true, Mode: mode} }
	latin1, cp1252 := Protocol{Encoding: encoding(t, "latin-1")}, Protocol{Encoding: encoding(t, "cp1252")}
	utf8 := Protocol{Encoding: utf8Encoding(t)}
	for name, test := range map[string]struct {
		protocol Protocol
		message  wire.Message
		want     string // mode, then the block; or "error" and words of the error
	}{
		"text":          {message: text("hello"), want: "0 hello"},
		"text 1":        {message: WithMode(text("hello"), 1), want: "1 hello\x04"},
		"text 2":        {message: WithMode(text("hello"), 2), want: "2 Xk~0{Zv"},
		"text 3":        {message: WithMode(text("hello"), 3), want: "3 Xk~0{Zv\x04"},
		"text 4":        {message: WithMode(text("hello"), 4), want: "4 " + b85text(t, []byte("hello"))},
		"text 5":        {message: WithMode(text("hello"), 5), want: "5 " + b85text(t, []byte("hello")) + "\x04"},
		"text 5, old":   {protocol: Protocol{Mode: 5}, message: text("hello"), want: "5 " + b85text(t, []byte("hello")) + "\x04"},
		"text confirm":  {message: text("hello").WithConfirm(), want: "1 hello\x04"},
		"text confirm1": {message: WithMode(text("hello"), 1).WithConfirm(), want: "1 hello\x04"},
		"text confirm2": {message: WithMode(text("hello"), 2).WithConfirm(), want: "3 Xk~0{Zv\x04"},
		"own mode":      {protocol: Protocol{Mode: 2}, message: WithMode(text("hello"), 0), want: "0 hello"},

		"int":        {message: wire.Int(-7), want: "0 -7"},
		"int 2":      {message: WithMode(wire.Int(12), 2), want: "2 F){"},
		"int 5":      {message: WithMode(wire.Int(12), 5), want: "5 " + b85text(t, []byte("12")) + "\x04"},
		"big int":    {message: big30, want: "0 1" + strings.Repeat("0", 30)},
		"float":      {message: WithMode(wire.Float(0.25), 2), want: "2 FfKAR"},
		"float 0":    {message: wire.Float(1e16), want: "0 1e+16"},
		"nan":        {message: wire.Float(math.NaN()), want: "0 nan"},
		"-0":         {message: wire.Float(math.Copysign(0, -1)), want: "0 -0.0"},
		"float 4":    {message: WithMode(wire.Float(2.5), 4), want: "4 " + b85text(t, []byte("2.5"))},
		"int confrm": {message: wire.Int(1).WithConfirm(), want: "1 1\x04"},

		"bytes":         {message: data("raw"), want: "2 a$$D"},
		"bytes 1":       {message: WithMode(data("raw"), 1), want: "3 a$$D\x04"},
		"bytes 2":       {message: WithMode(data("raw"), 2), want: "2 a$$D"},
		"bytes 3":       {message: WithMode(data("raw"), 3), want: "3 a$$D\x04"},
		"bytes 4":       {message: WithMode(data("raw"), 4), want: "2 a$$D"},
		"bytes 5":       {message: WithMode(data("raw"), 5), want: "3 a$$D\x04"},
		"bytes confirm": {message: data("raw").WithConfirm(), want: "3 a$$D\x04"},

		"object":          {message: object, want: "4 " + true85},
		"object 1":        {message: WithMode(object, 1), want: "5 " + true85 + "\x04"},
		"object 2":        {message: WithMode(object, 2), want: "4 " + true85},
		"object 3":        {message: WithMode(object, 3), want: "5 " + true85 + "\x04"},
		"object 5":        {message: WithMode(object, 5), want: "5 " + true85 + "\x04"},
		"object confirm":  {message: object.WithConfirm(), want: "5 " + true85 + "\x04"},
		"pickle 2":        {protocol: Protocol{PickleProtocol: 2}, message: object, want: "4 fC7jv"},
		"pickle 3":        {protocol: Protocol{PickleProtocol: 3}, message: object, want: "error pickle protocol 3"},
		"pickle 3, text":  {protocol: Protocol{PickleProtocol: 3}, message: WithMode(text("a"), 4), want: "error pickle protocol 3"},
		"no python value": {message: wire.Object(struct{}{}), want: "error pickle struct {}"},
		"a call":          {message: wire.Object(&pickle.Call{}), want: "error pickle"},

		// Text that its block would garble.
		"1F":              {message: text("a\x1fb"), want: "2 VIN`"},
		"1F 1":            {message: WithMode(text("a\x1fb"), 1), want: "3 VIN`\x04"},
		"1F confirm":      {message: text("a\x1fb").WithConfirm(), want: "3 VIN`\x04"},
		"01":              {message: text("\x01a"), want: "2 0bu"},
		"01 1":            {message: WithMode(text("\x01a"), 1), want: "3 0bu\x04"},
		"01 later":        {message: text("a\x01"), want: "0 a\x01"},
		"04":              {message: text("a\x04"), want: "0 a\x04"},
		"04 1":            {message: WithMode(text("a\x04"), 1), want: "3 VFU\x04"},
		"1F 2":            {message: WithMode(text("\x01\x1f\x04"), 2), want: "2 0Urb"},
		"1F 5":            {message: WithMode(text("\x1f"), 5), want: "5 " + b85text(t, []byte("\x1f")) + "\x04"},
		"empty":           {message: text(""), want: "3 \x04"},
		"empty 1":         {message: WithMode(text(""), 1), want: "1 \x04"},
		"empty 2":         {message: WithMode(text(""), 2), want: "3 \x04"},
		"empty 3":         {message: WithMode(text(""), 3), want: "3 \x04"},
		"empty 4":         {message: WithMode(text(""), 4), want: "4 " + b85text(t, []byte{})},
		"empty bytes":     {message: data(""), want: "3 \x04"},
		"empty bytes 2":   {message: WithMode(data(""), 2), want: "3 \x04"},
		"empty bytes 4":   {message: WithMode(data(""), 4), want: "3 \x04"},
		"no message":      {message: wire.Message{}, want: "3 \x04"},
		"1F next to an é": {protocol: latin1, message: text("é\x1f"), want: "2 =^p"},

		// ForceMode.
		"force text":        {protocol: force(0), message: text("hello"), want: "0 hello"},
		"force text 4":      {protocol: force(4), message: text("a"), want: "4 " + b85text(t, []byte("a"))},
		"force confirm":     {protocol: force(0), message: text("hello").WithConfirm(), want: "1 hello\x04"},
		"force bytes":       {protocol: force(0), message: data("raw\xff"), want: "0 raw\xff"},
		"force bytes 1":     {protocol: force(1), message: data("raw\xff"), want: "1 raw\xff\x04"},
		"force bytes 3":     {protocol: force(3), message: data("raw"), want: "3 a$$D\x04"},
		"force bytes 4":     {protocol: force(4), message: wire.Bytes(pickled(t, true)), want: "4 " + true85},
		"force bytes 5":     {protocol: force(5), message: wire.Bytes(pickled(t, true)), want: "5 " + true85 + "\x04"},
		"force empty 1":     {protocol: force(1), message: data(""), want: "1 \x04"},
		"force object 4":    {protocol: force(4), message: object, want: "4 " + true85},
		"force object 0":    {protocol: force(0), message: object, want: "error object mode 4"},
		"force object 3":    {protocol: force(3), message: object, want: "error object mode 5"},
		"force 1F":          {protocol: force(0), message: text("a\x1f"), want: "error byte 1F at offset 1 mode 2"},
		"force 1F bytes":    {protocol: force(1), message: data("ab\x1f"), want: "error byte 1F at offset 2 mode 3"},
		"force 01":          {protocol: force(0), message: data("\x01ab"), want: "error byte 01 at offset 0 mode 2"},
		"force 04":          {protocol: force(1), message: data("ab\x04"), want: "error byte 04 at offset 2 mode 3"},
		"force empty":       {protocol: force(0), message: text(""), want: "error empty mode 3"},
		"force empty 2":     {protocol: force(2), message: data(""), want: "error empty mode 3"},
		"force empty 4":     {protocol: force(4), message: data(""), want: "error empty mode 3"},
		"force empty 5":     {protocol: force(5), message: data(""), want: "error empty mode 3"},
		"force empty text4": {protocol: force(4), message: text(""), want: "4 " + b85text(t, []byte{})},

		// Encodings.
		"ascii":         {message: text("hé"), want: "error 'é' character 1 ascii"},
		"ascii 4":       {message: WithMode(text("hé"), 4), want: "error 'é' character 1 ascii"},
		"latin-1":       {protocol: latin1, message: text("hé"), want: "0 h\xe9"},
		"latin-1 2":     {protocol: latin1, message: WithMode(text("hé"), 2), want: "2 Xz2"},
		"latin-1 4":     {protocol: latin1, message: WithMode(text("hé"), 4), want: "4 " + b85text(t, []byte("h\xe9"))},
		"not latin-1":   {protocol: latin1, message: text("aé€"), want: "error '€' character 2 iso8859-1"},
		"cp1252":        {protocol: cp1252, message: text("€"), want: "0 \x80"},
		"utf-8":         {protocol: utf8, message: text("é€😀"), want: "0 é€😀"},
		"utf-8 1":       {protocol: utf8, message: WithMode(text("é"), 1), want: "1 é\x04"},
		"not utf-8":     {protocol: utf8, message: text("é\xff"), want: "error byte FF at offset 2"},
		"not any text":  {message: text("a\xff"), want: "error byte FF at offset 1"},
		"no surrogates": {protocol: utf8, message: text("\xed\xa0\x80"), want: "error byte ED at offset 0"},

		"mode 6":  {message: WithMode(text("a"), 6), want: "error mode 6"},
		"mode 9":  {protocol: Protocol{Mode: 9}, message: text("a"), want: "error mode 9"},
		"mode -1": {protocol: Protocol{Mode: -1}, message: text("a"), want: "error mode -1"},
	} {
		t.Run(name, func(t *testing.T) {
			m := opened(t, test.protocol)
			out, sent, err := m.Send([]byte("before"), test.message)
			if words, fails := strings.CutPrefix(test.want, "error "); fails {
				checkRefused(t, m, string(out), sent, err, words)
				return
			}
			mode, block := test.want[0], test.want[2:]
			want := "before"
			if mode != '0' {
				want += "\x01SETMODE" + string(mode) + "\x1f"
			}
			want += block + "\x1f"
			if err != nil || string(out) != want {
				t.Fatalf("Send(%v) = %q, %v, want %q", test.message, out, err, want)
			}
			if confirm := mode&1 == 1; sent != (wire.Sent{Confirm: confirm}) {
				t.Errorf("Sent is %+v, want Confirm = %v", sent, confirm)
			}
			// Once more: the mode is known now.
			if out, _, err := m.Send(nil, test.message); err != nil || string(out) != block+"\x1f" {
				t.Errorf("the second Send(%v) = %q, %v, want %q", test.message, out, err, block+"\x1f")
			}
		})
	}
}

// checkRefused checks that a Send has failed for the right reason and left
// nothing behind.
func checkRefused(t *testing.T, m wire.Machine, out string, sent wire.Sent, err error, words string) {
	t.Helper()
	if !errors.Is(err, wire.ErrNotRepresentable) || out != "before" || sent != (wire.Sent{}) {
		t.Errorf("Send = %q, %+v, %v, want ErrNotRepresentable and nothing sent", out, sent, err)
	}
	for _, w := range strings.Fields(words) {
		if err != nil && !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
	if m.Awaiting() != 0 {
		t.Error("a mode acknowledgement is awaited for nothing")
	}
	if out, _, err := m.Send(nil, WithMode(wire.Text("next"), 2)); err != nil || string(out) != "\x01SETMODE2\x1fZe@6M\x1f" {
		t.Errorf("the next Send = %q, %v", out, err)
	}
}

// Verifies: SERPY-04, SERPY-05
func TestModesOfBothDirections(t *testing.T) {
	d := wiretest.NewDriver(t, Protocol{}, wire.Accepting, wire.Limits{})
	d.Feed([]byte("\x01SETMODE2\x1fVE\x1f"))
	for _, mode := range []int{0, 0, 2, 2, 0, 1, 3, 0} {
		if err := d.Send(WithMode(wire.Text("a"), mode)); err != nil {
			t.Fatal(err)
		}
	}
	const want = modeAnswer + "a\x1fa\x1f\x01SETMODE2\x1fVE\x1fVE\x1f\x01SETMODE0\x1fa\x1f\x01SETMODE1\x1fa\x04\x1f\x01SETMODE3\x1fVE\x04\x1f\x01SETMODE0\x1fa\x1f"
	if string(d.Out) != want {
		t.Errorf("we send\n %q, want\n %q", d.Out, want)
	}
	if got := d.Machine.Awaiting(); got != 5 {
		t.Errorf("%d mode acknowledgements awaited, want 5", got)
	}
	d.Feed([]byte("VE\x1f"))
	if got := events(d); got != "bytes/2[1] 61, bytes/2[1] 61" {
		t.Errorf("our modes change the peer's: %s", got)
	}
}

func TestClosed(t *testing.T) {
	m := opened(t, Protocol{})
	if out := m.Close([]byte("x")); string(out) != "x" {
		t.Errorf("Close says %q", out)
	}
	if out, _, err := m.Send([]byte("x"), wire.Text("late")); !errors.Is(err, wire.ErrLeft) || string(out) != "x" {
		t.Errorf("Send after Close = %q, %v, want ErrLeft", out, err)
	}
	// What the peer says is still answered.
	if _, ev, _ := wiretest.Receive(m, []byte("\x01SETMODE1\x1fa\x04\x1f")); ev.Kind != wire.EventMessage {
		t.Errorf("after Close the event is %v", ev.Kind)
	}
	if out := m.Output(nil); string(out) != modeAnswer+messageAnswer {
		t.Errorf("after Close we answer %q", out)
	}
}

func TestNoStreams(t *testing.T) {
	if _, _, err := opened(t, Protocol{}).SendHead(nil, 5); !errors.Is(err, wire.ErrNotRepresentable) {
		t.Errorf("SendHead: %v, want ErrNotRepresentable", err)
	}
}

// Whatever is sent in whatever mode arrives as what the package says, and
// every message that is to be confirmed is.
//
// Verifies: SERPY-09, SERPY-14, SERPY-17, SERPY-18, SERPY-19
func TestAnythingArrives(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		pair := wiretest.NewPair(t, Protocol{Encoding: utf8Encoding(t), Mode: rng.IntN(6)}, Protocol{}, wire.Limits{}, seed)
		var want []string
		confirms := 0
		for range 20 {
			m := anything(rng)
			if rng.IntN(2) == 0 {
				m = WithMode(m, rng.IntN(6))
			}
			if rng.IntN(3) == 0 {
				m = m.WithConfirm()
			}
			if err := pair.Dialing.Send(m); err != nil {
				t.Fatalf("seed %d: %v: %v", seed, m, err)
			}
			want = append(want, value(m))
			if rng.IntN(4) == 0 {
				pair.Run()
			}
		}
		pair.Run()
		sound(t, pair.Accepting)
		var got []string
		for _, m := range pair.Accepting.Messages() {
			got = append(got, value(m))
			if mode, ok := Mode(m); !ok || m.Type() == wire.TypeObject != (mode >= 4 && m.Type() != wire.TypeBytes) {
				t.Errorf("seed %d: %v came in mode %d", seed, m, mode)
			} else {
				confirms += mode & 1
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("seed %d: %q arrive, want %q", seed, got, want)
		}
		if n := pair.Dialing.Count(wire.EventConfirmed); n != confirms || pair.Dialing.Machine.Awaiting() != 0 {
			t.Fatalf("seed %d: %d of %d confirmed, %d answers awaited", seed, n, confirms, pair.Dialing.Machine.Awaiting())
		}
		if err := pair.Accepting.EOF(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// value is what a message becomes on the way: text and numbers become bytes.
func value(m wire.Message) string {
	if m.Type() == wire.TypeObject {
		return "object " + pickle.Repr(m.Object())
	}
	return m.Text()
}

func anything(rng *rand.Rand) wire.Message {
	nasty := []string{"", "\x01", "\x04", "\x1f", "\x01ACKEOT!!", "\x01SETMODE2", "a", "é", "\x00", ",", "~~~~~", strings.Repeat("b", 1+rng.IntN(300))}
	var s string
	for range rng.IntN(4) {
		s += nasty[rng.IntN(len(nasty))]
	}
	switch rng.IntN(5) {
	case 0:
		return wire.Bytes([]byte(s + "\xff"))
	case 1:
		return wire.Int(rng.Int64() - rng.Int64())
	case 2:
		return wire.Float(rng.NormFloat64())
	case 3:
		return wire.Object(list(int64(rng.IntN(9)), s, nil))
	}
	return wire.Text(s)
}

// A relay of plain bytes and pickles hands on what originals say, byte for byte.
//
// Verifies: SERPY-14
func TestRelay(t *testing.T) {
	said := "a\x1f\xff\xfe\x1f\x01SETMODE1\x1fa\x04\x1f\x04\x1f\xff\x04\x1f\x01SETMODE2\x1fa$$D\x1f\x01SETMODE3\x1fa$$D\x04\x1f\x04\x1f" +
		"\x01SETMODE4\x1f" + b85text(t, list("é", 1)) + "\x1ffCWx2\x1f\x01SETMODE5\x1f" + b85text(t, "é") + "\x04\x1f\x01SETMODE0\x1fb\x1f"
	p := Protocol{ForceMode: true, NoPickle: true}
	to := wiretest.NewDriver(t, p, wire.Accepting, wire.Limits{})
	from := wiretest.NewDriver(t, p, wire.Accepting, wire.Limits{})
	from.Reply = func(_ *wiretest.Driver, m wire.Message) {
		if err := to.Send(m); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	from.Feed([]byte(said))
	sound(t, from)
	if string(to.Out) != said {
		t.Errorf("the relay says\n %q, and heard\n %q", to.Out, said)
	}
}

// A last message that asks for no acknowledgement is followed by a change of
// mode that changes nothing: its answer says that the peer has taken all.
func TestClose(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent []wire.Message
		want string
	}{
		{"nothing sent", nil, ""},
		{"mode 0", []wire.Message{wire.Text("m")}, "\x01SETMODE0\x1f"},
		{"mode 2", []wire.Message{wire.Text("m"), wire.Bytes([]byte("m"))}, "\x01SETMODE2\x1f"},
		{"acknowledged", []wire.Message{wire.Text("m"), WithMode(wire.Text("m"), 1)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := opened(t, Protocol{})
			for _, msg := range tt.sent {
				if _, _, err := m.Send(nil, msg); err != nil {
					t.Fatal(err)
				}
			}
			before := m.Awaiting()
			if got := string(m.Close(nil)); got != tt.want {
				t.Errorf("the farewell is %q, want %q", got, tt.want)
			}
			if got := m.Awaiting() - before; (got == 1) != (tt.want != "") {
				t.Errorf("the farewell awaits %d answers", got)
			}
		})
	}
}
