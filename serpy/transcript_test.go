package serpy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// transcripts builds the cases. What the originals' API was given and what it
// returned stands in the transcripts: our side sends the one and must receive
// the other.
type transcripts struct{ *testing.T }

func (t transcripts) find(name string) recorded.Transcript {
	return recorded.Find(t, "serpy", name)
}

// play is one role of a transcript: it sends what the side of that role was
// given and expects what its getData returned.
func (t transcripts) play(name string, role wire.Role, p Protocol) recorded.Play {
	tr := t.find(name)
	side := "client"
	if role == wire.Accepting {
		side = "server"
	}
	return recorded.Play{
		Protocol: p,
		Role:     role,
		Do:       map[int][]recorded.Action{0: t.sends(tr, side)},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			var got []wire.Message
			for _, d := range conns {
				sound(t, d)
				got = append(got, d.Messages()...)
			}
			checkMessages(t, got, tr.Values(side, "getData", "result"))
		},
	}
}

// both plays both roles.
func (t transcripts) both(name string, p Protocol) recorded.Case {
	return recorded.Case{Plays: []recorded.Play{t.play(name, wire.Dialing, p), t.play(name, wire.Accepting, p)}}
}

// pickled is both without the client, whose pickles need not be the original's
// byte for byte.
func (t transcripts) pickled(name string, server Protocol) recorded.Case {
	return recorded.Case{Plays: []recorded.Play{t.play(name, wire.Accepting, server)}}
}

// TestTranscriptsPickled plays the client of the transcripts in which it sends
// pickles. Of those only the values are compared: there is more than one
// pickle of a value.
//
// Verifies: SERPY-06, SERPY-08, SERPY-11, SERPY-12
func TestTranscriptsPickled(tt *testing.T) {
	t := transcripts{tt}
	bytearray := t.play("mode4_pickle", wire.Dialing, Protocol{})
	last := len(bytearray.Do[0]) - 1 // the transcript shows it as bytes
	bytearray.Do[0][last] = recorded.Send(WithMode(wire.Object(&pickle.ByteArray{Bytes: []byte("ab")}), 4))
	for name, play := range map[string]recorded.Play{
		"auto_mode":         t.play("auto_mode", wire.Dialing, Protocol{}),
		"broadcast_mode4":   t.broadcastClients("broadcast_mode4"),
		"broadcast_mode5":   t.broadcastClients("broadcast_mode5"),
		"mode4_no_unpickle": t.play("mode4_no_unpickle", wire.Dialing, Protocol{}),
		"mode4_pickle":      bytearray,
		"mode4_text_number": t.play("mode4_text_number", wire.Dialing, Protocol{}),
		"mode5_pickle":      t.play("mode5_pickle", wire.Dialing, Protocol{}),
		"mode_switches":     t.play("mode_switches", wire.Dialing, Protocol{}),
	} {
		tt.Run(name, func(t *testing.T) {
			tr := transcripts{t}.find(name)
			mode := byte('0')
			for i, s := range tr.Steps {
				if s.From == wire.Dialing {
					tr.Steps[i].Bytes, mode = repickle(t, s.Bytes, mode)
				}
			}
			play.Run(t, tr)
		})
	}
}

// repickle returns a stream with each pickle replaced by what package pickle
// makes of its value. mode is the stream's mode before it, and after it.
func repickle(t *testing.T, stream []byte, mode byte) (out []byte, after byte) {
	for block := range bytes.SplitAfterSeq(stream, []byte{separator}) {
		switch {
		case len(block) == 0:
		case block[0] == soh:
			if bytes.HasPrefix(block[1:], []byte(setMode)) {
				mode = block[len(block)-2]
			}
		case mode >= '4':
			text := bytes.TrimRight(block, "\x04\x1f")
			p, err := b85.Decode(nil, text)
			if err != nil {
				t.Fatal(err)
			}
			v, err := pickle.Decode(p, pickle.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if p, err = pickle.Append(nil, v, 5); err != nil {
				t.Fatal(err)
			}
			block = append(b85.Encode(nil, p), block[len(text):]...)
		}
		out = append(out, block...)
	}
	return out, mode
}

// sends is what side was given to send.
func (t transcripts) sends(tr recorded.Transcript, side string) []recorded.Action {
	var all []recorded.Action
	var input recorded.Value
	for _, e := range tr.API {
		switch {
		case e.Side != side:
		case e.Event == "input to the next call":
			input = e.Values["data"]
		case strings.HasPrefix(e.Call, "sendData("):
			m := toMessage(t, input)
			var mode int
			if _, err := fmt.Sscanf(e.Call, "sendData(mode=%d", &mode); err != nil {
				t.Fatalf("%s: %v", e.Call, err)
			}
			m = WithMode(m, mode)
			if _, fails := e.Values["raises"]; fails {
				all = append(all, refused(m))
			} else {
				all = append(all, recorded.Send(m))
			}
		}
	}
	return all
}

// refused is the action of trying to send what can't be sent.
func refused(m wire.Message) recorded.Action {
	return func(d *wiretest.Driver) error {
		if err := d.Send(m); !errors.Is(err, wire.ErrNotRepresentable) {
			return fmt.Errorf("sending %v gives the error %v, want ErrNotRepresentable", m, err)
		}
		return nil
	}
}

// sound fails if a conversation has ended or lost anything.
func sound(t *testing.T, d *wiretest.Driver) {
	t.Helper()
	if d.Err != nil || d.Count(wire.EventLost) > 0 {
		t.Errorf("connection %d: error %v, events %v", d.Conn, d.Err, d.Events)
	}
}

// described is a message with its mode: "bytes/1[2] 6162".
func described(m wire.Message) string {
	s := m.WithTag(0).String()
	if mode, ok := Mode(m); ok {
		s = strings.Replace(s, m.Type().String(), fmt.Sprintf("%v/%d", m.Type(), mode), 1)
	}
	return s
}

// events describes all events but the first, which is EventOpen.
func events(d *wiretest.Driver) string {
	var all []string
	for _, e := range d.Events[1:] {
		switch e.Kind {
		case wire.EventMessage:
			all = append(all, described(e.Message))
		case wire.EventLost:
			all = append(all, "lost")
		default:
			all = append(all, e.String())
		}
	}
	return strings.Join(all, ", ")
}

// survives is a test of what our machine makes of bytes that stopped an
// original: the events and our answers are those given, and a message in mode 0
// behind them still arrives.
func survives(role wire.Role, p Protocol, want, answers string) func(*testing.T, recorded.Transcript) {
	return func(t *testing.T, tr recorded.Transcript) {
		for name, feed := range map[string]func(*wiretest.Driver, []byte){
			"whole": (*wiretest.Driver).Feed, "bytewise": (*wiretest.Driver).FeedBytewise,
		} {
			d := wiretest.NewDriver(t, p, role, wire.Limits{})
			feed(d, tr.Stream(0, role.Peer()))
			if got := events(d); got != want {
				t.Errorf("%s: events\n %s, want\n %s", name, got, want)
			}
			if got := string(d.Out); got != answers {
				t.Errorf("%s: we answer %q, want %q", name, got, answers)
			}
			feed(d, []byte("\x01SETMODE0\x1fstill here\x1f"))
			if got := events(d); d.Err != nil || !strings.HasSuffix(got, "bytes/0[10] "+hex("still here")) {
				t.Errorf("%s: the connection is dead: error %v, events %s", name, d.Err, got)
			}
		}
	}
}

func hex(s string) string { return fmt.Sprintf("%x", s) }

// arrives is a test that what the client of a transcript said reaches our peer
// whole.
func arrives(t *testing.T, tr recorded.Transcript) {
	var want []string
	for _, v := range tr.Values("client", "input", "data") {
		want = append(want, toMessage(t, v).Text())
	}
	pair := wiretest.NewPair(t, Protocol{Encoding: utf8Encoding(t)}, Protocol{}, wire.Limits{}, 1)
	for _, do := range (transcripts{t}).sends(tr, "client") {
		if err := do(pair.Dialing); err != nil {
			t.Fatal(err)
		}
	}
	pair.Run()
	sound(t, pair.Accepting)
	var got []string
	for _, m := range pair.Accepting.Messages() {
		got = append(got, m.Text())
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || len(want) == 0 {
		t.Errorf("%q arrive, want %q", got, want)
	}
	if n := pair.Dialing.Machine.Awaiting(); n != 0 {
		t.Errorf("%d answers are still awaited", n)
	}
}

func encoding(t testing.TB, name string) Encoding {
	e, err := LookupEncoding(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func utf8Encoding(t testing.TB) Encoding { return encoding(t, "utf-8") }

const (
	modeAnswer    = "\x01ACKMODCG\x1f"
	messageAnswer = "\x01ACKEOT!!\x1f"
)

// inMode is the action of sending a text in a mode.
func inMode(mode int, text string) recorded.Action {
	return recorded.Send(WithMode(wire.Text(text), mode))
}

// says is a role that sends in its own words; n messages are confirmed to it.
func says(role wire.Role, n int, actions ...recorded.Action) recorded.Play {
	return recorded.Play{
		Protocol: Protocol{},
		Role:     role,
		Do:       map[int][]recorded.Action{0: actions},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			sound(t, conns[0])
			if got := conns[0].Count(wire.EventConfirmed); got != n {
				t.Errorf("%d messages confirmed, want %d", got, n)
			}
		},
	}
}

// hears is a role that receives texts, as bytes, and does no more than that,
// on any number of connections.
func hears(role wire.Role, texts ...string) recorded.Play {
	return recorded.Play{
		Protocol: Protocol{},
		Role:     role,
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			var got []string
			for _, d := range conns {
				sound(t, d)
				for _, m := range d.Messages() {
					got = append(got, m.Text())
				}
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", texts) {
				t.Errorf("%q arrive, want %q", got, texts)
			}
		},
	}
}

// numbered is "m00" and so on.
func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("m%02d", i))
	}
	return all
}

// broadcastServer hands on what connection 0 sends, to 1 and 2.
func broadcastServer() recorded.Play {
	var got []wire.Message
	relay := func(d *wiretest.Driver) error {
		if len(got) != 1 {
			return fmt.Errorf("%d messages came, want 1", len(got))
		}
		return d.Send(got[0])
	}
	return recorded.Play{
		Protocol: Protocol{NoPickle: true, ForceMode: true},
		Role:     wire.Accepting,
		Do:       map[int][]recorded.Action{1: {relay}, 2: {relay}},
		Reply: func(d *wiretest.Driver, m wire.Message) {
			if d.Conn == 0 {
				got = []wire.Message{m}
			}
		},
	}
}

// broadcastClients is the clients of a broadcast: one says what the original
// was given, the others receive what theirs did.
func (t transcripts) broadcastClients(name string) recorded.Play {
	tr := t.find(name)
	input := toMessage(t, tr.Values("client1", "input", "data")[0])
	mode := int(name[len(name)-1] - '0')
	return recorded.Play{
		Protocol: Protocol{Encoding: utf8Encoding(t)},
		Role:     wire.Dialing,
		Do:       map[int][]recorded.Action{0: {recorded.Send(WithMode(input, mode))}},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			for i, side := range []string{"client1", "client2", "client3"} {
				sound(t, conns[i])
				checkMessages(t, conns[i].Messages(), tr.Values(side, "getData", "result"))
			}
			if got, want := conns[0].Count(wire.EventConfirmed), mode&1; got != want {
				t.Errorf("%d confirmations, want %d", got, want)
			}
		},
	}
}

func (t transcripts) broadcast(name string) recorded.Case {
	return recorded.Case{Plays: []recorded.Play{broadcastServer(), t.broadcastClients(name)}}
}

// relaysText is a test of the relay with plain text, which the original's
// garbles.
func (t transcripts) relaysText(name string) recorded.Case {
	return recorded.Case{
		Plays:  []recorded.Play{t.broadcastClients(name)},
		Defect: "the relay sends base85 text instead of the text",
		Test: func(t *testing.T, tr recorded.Transcript) {
			d := wiretest.NewDriver(t, Protocol{NoPickle: true, ForceMode: true}, wire.Accepting, wire.Limits{})
			d.Feed(tr.Stream(0, wire.Dialing))
			in := d.Messages()
			if len(in) != 1 || in[0].Text() != "hello all" {
				t.Fatalf("the relay received %v", in)
			}
			to := wiretest.NewDriver(t, Protocol{NoPickle: true, ForceMode: true}, wire.Accepting, wire.Limits{})
			if err := to.Send(in[0]); err != nil {
				t.Fatal(err)
			}
			if got, want := to.Out, tr.Stream(0, wire.Dialing); !bytes.Equal(got, want) {
				t.Errorf("the relay sends %q, want what it received, %q", got, want)
			}
		},
	}
}

// Verifies: SERPY-14, SERPY-25, SERPY-26, SERPY-27, SERPY-30
func TestTranscripts(tt *testing.T) {
	const dialing, accepting = wire.Dialing, wire.Accepting
	t := transcripts{tt}
	zero := Protocol{}
	utf8 := Protocol{Encoding: utf8Encoding(t)}

	mismatch := t.both("encoding_mismatch", zero)
	mismatch.Plays[0].Protocol = utf8

	manyClients := says(dialing, 0)
	for i := range 4 {
		manyClients.Do[i] = recorded.SendText(fmt.Sprintf("from %d", i+1))
	}

	recorded.Classify(tt, "serpy", map[string]recorded.Case{
		// Sound, in both roles; where the client sends pickles, its role is
		// played by TestTranscriptsPickled.
		"auto_mode":            t.pickled("auto_mode", zero),
		"both_directions":      t.both("both_directions", zero),
		"broadcast_mode2":      t.broadcast("broadcast_mode2"),
		"broadcast_mode3":      t.broadcast("broadcast_mode3"),
		"broadcast_mode4":      {Plays: []recorded.Play{broadcastServer()}},
		"broadcast_mode5":      {Plays: []recorded.Play{broadcastServer()}},
		"encoding_ascii_fails": t.both("encoding_ascii_fails", zero),
		"encoding_latin1":      t.both("encoding_latin1", Protocol{Encoding: encoding(t, "latin-1")}),
		"encoding_mismatch":    mismatch,
		"encoding_utf8":        t.both("encoding_utf8", utf8),
		"latency":              t.both("latency", zero),
		"mode0_eot_in_data":    t.both("mode0_eot_in_data", zero),
		"mode0_from_server":    t.both("mode0_from_server", zero),
		"mode0_numbers":        t.both("mode0_numbers", zero),
		"mode1_ack":            t.both("mode1_ack", zero),
		"mode1_empty":          t.both("mode1_empty", zero),
		"mode2_1m":             t.both("mode2_1m", zero),
		"mode2_bytes":          t.both("mode2_bytes", zero),
		"mode2_text":           t.both("mode2_text", zero),
		"mode3_bytes":          t.both("mode3_bytes", zero),
		"mode4_no_unpickle":    t.pickled("mode4_no_unpickle", Protocol{NoPickle: true}),
		"mode4_pickle":         t.pickled("mode4_pickle", zero),
		"mode4_text_number":    t.pickled("mode4_text_number", zero),
		"mode5_pickle":         t.pickled("mode5_pickle", zero),
		"mode_switches":        t.pickled("mode_switches", zero),
		"broadcast_stop":       {Plays: []recorded.Play{says(dialing, 0, inMode(0, "/KTHXBYE")), hears(accepting, "/KTHXBYE")}},
		"client_close":         {Plays: []recorded.Play{says(dialing, 0, inMode(0, "m")), hears(accepting, "m")}},
		"getdata_timeout":      {Plays: []recorded.Play{says(dialing, 0, recorded.SendText("a", "b")...), hears(accepting, "a", "b")}},
		"no_restart":           {Plays: []recorded.Play{says(accepting, 0, recorded.Close()), hears(dialing)}},
		"raw_close_right_after_data": {Plays: []recorded.Play{
			says(dialing, 0, recorded.SendText("m1", "m2", "m3", "m4", "m5")...),
			hears(accepting, "m1", "m2", "m3", "m4", "m5"),
		}},
		"raw_mode1_two_messages": {Plays: []recorded.Play{
			says(dialing, 2, inMode(1, "one"), inMode(1, "two")), hears(accepting, "one", "two"),
		}},
		"raw_reset":          {Plays: []recorded.Play{says(dialing, 0, inMode(0, "m1")), hears(accepting, "m1")}},
		"server_close":       {Plays: []recorded.Play{says(dialing, 0, inMode(0, "hi")), hears(accepting, "hi")}},
		"server_closeServer": {Plays: []recorded.Play{says(dialing, 0, inMode(0, "hi")), hears(accepting, "hi")}},
		"too_many_clients":   {Plays: []recorded.Play{manyClients, hears(accepting, "from 1", "from 2", "from 3", "from 4")}},
		"close_deadlock_full_queue": {Plays: []recorded.Play{
			says(accepting, 0, recorded.SendText(numbered(30)...)...), hears(dialing, numbered(30)...),
		}},

		// Sound, but one side is a hand-driven socket that does what no program
		// would.
		"full_queue_blocks_acks":           {Plays: []recorded.Play{hears(dialing, numbered(12)...)}},
		"raw_mode0":                        {Plays: []recorded.Play{hears(accepting, "one", "two", "three", "four")}},
		"raw_mode1_leftover_crosses_modes": {Plays: []recorded.Play{t.play("raw_mode1_leftover_crosses_modes", accepting, zero)}},
		"raw_mode1_split_message":          {Plays: []recorded.Play{hears(accepting, "one", "next part")}},
		"raw_pickle_protocols":             {Plays: []recorded.Play{t.play("raw_pickle_protocols", accepting, zero)}},
		"raw_unsolicited_acks":             {Plays: []recorded.Play{hears(accepting, "hello")}},
		"rawserver_mode1_no_ack":           {Plays: []recorded.Play{says(dialing, 0, inMode(1, "x"))}},
		"rawserver_no_modeack":             {Plays: []recorded.Play{says(dialing, 0, inMode(1, "x"), inMode(0, "y"))}},

		// What the original's sender garbles: its bytes are understood as the
		// original's receiver does, and from us the data arrives whole.
		"mode0_separator_in_data":   t.garbled("mode0_separator_in_data", "the text is cut at each 1F"),
		"mode0_soh_in_data":         t.garbled("mode0_soh_in_data", "the text loses its 01"),
		"mode0_text":                t.garbled("mode0_text", "the empty text vanishes"),
		"mode1_separator_after_eot": t.garbled("mode1_separator_after_eot", "the text becomes two messages"),
		"mode1_separator_in_data":   t.garbled("mode1_separator_in_data", "the text loses its 1Fs"),
		"mode2_empty":               t.garbled("mode2_empty", "the empty message vanishes"),

		// What stops the original's receiver.
		"encoding_mismatch_soh": {
			Defect: "text that can't be decoded stops the receiver",
			Test:   t.survives("encoding_mismatch_soh", accepting, "lost", ""),
		},
		"mode0_command_injection": {
			Defect: "data that equals a command is executed",
			Test:   t.survives("mode0_command_injection", accepting, "lost", modeAnswer),
		},
		"mode1_eot_at_end": {
			Defect: "a 04 in the text stops the receiver",
			Test:   t.survives("mode1_eot_at_end", accepting, "bytes/1[1] 61, bytes/1[0] ", modeAnswer+messageAnswer+messageAnswer),
		},
		"mode1_eot_in_data": {
			Defect: "a 04 in the text stops the receiver",
			Test:   t.survives("mode1_eot_in_data", accepting, "bytes/1[1] 61, bytes/1[1] 62", modeAnswer+messageAnswer+messageAnswer),
		},
		"mode1_soh_in_data": {
			Defect: "a 01 at the start of the text stops the receiver",
			Test:   t.survives("mode1_soh_in_data", accepting, "bytes/1[6] 01"+hex("hello"), modeAnswer+messageAnswer),
		},
		"raw_bad_base85": {
			Defect: "bad base85 stops the receiver",
			Test:   t.survives("raw_bad_base85", accepting, "lost, bytes/2[2] "+hex("ab"), modeAnswer),
		},
		"raw_bad_pickle": {
			Defect: "a bad pickle stops the receiver",
			Test:   t.survives("raw_bad_pickle", accepting, "lost", modeAnswer),
		},
		"raw_base85_overflow": {
			Defect: "a group above FFFFFFFF stops the receiver",
			Test:   t.survives("raw_base85_overflow", accepting, "bytes/2[0] , bytes/2[2] 6162, bytes/2[0] , bytes/2[3] 616263, lost", modeAnswer),
		},
		"raw_mode1_two_eot_one_block": {
			Defect: "two 04 in a block stop the receiver",
			Test: t.survives("raw_mode1_two_eot_one_block", accepting,
				"bytes/1[3] "+hex("one")+", bytes/1[3] "+hex("two")+", bytes/0[4] "+hex("more"),
				modeAnswer+messageAnswer+messageAnswer+modeAnswer),
		},
		"raw_setmode_bad_digit": {
			Defect: "SETMODE without a digit stops the receiver",
			Test:   t.survives("raw_setmode_bad_digit", accepting, "lost, bytes/0[5] "+hex("hello"), ""),
		},
		"raw_setmode_forms": {
			Defect: "data in mode 9 vanishes",
			Test: t.survives("raw_setmode_forms", accepting, "lost, bytes/0[4] "+hex("back"),
				modeAnswer+modeAnswer+modeAnswer+modeAnswer),
		},
		"raw_soh_in_base85": {
			Defect: "in mode 3 a 01 stops the receiver",
			Test: t.survives("raw_soh_in_base85", accepting, "bytes/2[3] "+hex("abc")+", bytes/3[3] "+hex("abc"),
				modeAnswer+modeAnswer+messageAnswer),
		},
		"encoding_utf16": {
			Defect: "in utf-16 the commands can't be read",
			Test: func(t *testing.T, tr recorded.Transcript) {
				survives(accepting, zero, "bytes/0[6] fffe68006900, lost", "")(t, tr)
				if e, err := LookupEncoding("utf-16"); err == nil {
					t.Errorf("there is an encoding %s", e.Name())
				}
			},
		},

		// What the original gets wrong in its answers and their meaning.
		"broadcast_mode0": t.relaysText("broadcast_mode0"),
		"broadcast_mode1": t.relaysText("broadcast_mode1"),
		"force_mode": {
			Plays:  []recorded.Play{t.play("force_mode", accepting, zero)},
			Defect: "bytes forced to mode 0 or 1 travel as base85 text",
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := wiretest.NewDriver(t, Protocol{ForceMode: true}, dialing, wire.Limits{})
				for _, do := range (transcripts{t}).sends(tr, "client") {
					if err := do(d); err != nil {
						t.Fatal(err)
					}
				}
				const base85 = "a$$EMVtI6Ba{"
				want := strings.ReplaceAll(string(tr.Stream(0, dialing)), base85, "raw bytes")
				if got := string(d.Out); got != want {
					t.Errorf("we send %q, want %q", got, want)
				}
			},
		},
		"rawserver_close_during_mode1": {
			Defect: "a lost connection counts as a confirmation",
			Test: func(t *testing.T, tr recorded.Transcript) {
				says(dialing, 0, inMode(1, "x")).Run(t, tr)
			},
		},
		"rawserver_stale_ack": {
			Defect: "a late acknowledgement confirms the next message",
			Test: func(t *testing.T, tr recorded.Transcript) {
				// One of two is confirmed: by the order of acknowledgements, the first.
				says(dialing, 1, inMode(1, "one"), inMode(1, "two")).Run(t, tr)
			},
		},
		"restart_modes_kept": {
			Plays:  []recorded.Play{hears(accepting, "before", "VP<q?as")},
			Defect: "after a reconnect the client keeps its mode without saying it",
			Test: func(t *testing.T, tr recorded.Transcript) {
				for conn, text := range []string{"before", "after"} {
					d := wiretest.NewDriver(t, zero, dialing, wire.Limits{})
					if err := d.Send(WithMode(wire.Bytes([]byte(text)), 2)); err != nil {
						t.Fatal(err)
					}
					said := bytes.TrimPrefix(tr.Stream(conn, dialing), []byte("\x01SETMODE2\x1f"))
					if want := "\x01SETMODE2\x1f" + string(said); string(d.Out) != want {
						t.Errorf("connection %d: we send %q, want %q", conn, d.Out, want)
					}
				}
			},
		},

		"client_send_then_close":         {NoBytes: "close does not flush what was sent just before"},
		"close_deadlock_new_connections": {NoBytes: "closing a server whose accept thread is stuck hangs"},
		"connect_refused":                {NoBytes: "connecting to nobody fails"},
		"restart_queue_survives":         {NoBytes: "what was queued while the connection was down is sent after the reconnect"},
		"restart_timing":                 {NoBytes: "when reconnects are tried"},
	})
}

// garbled is the case of data that an original's sender can't send whole: our
// receiver understands its bytes as the original's does, and what our sender
// sends in its place arrives whole.
func (t transcripts) garbled(name, defect string) recorded.Case {
	return recorded.Case{
		Plays:  []recorded.Play{t.play(name, wire.Accepting, Protocol{})},
		Defect: defect,
		Test:   arrives,
	}
}

// survives is a test for a transcript that stops an original's receiver; as a
// sender, where the transcript has one, we don't say such things.
func (t transcripts) survives(name string, role wire.Role, want, answers string) func(*testing.T, recorded.Transcript) {
	return func(t *testing.T, tr recorded.Transcript) {
		survives(role, Protocol{}, want, answers)(t, tr)
		if tr.Client == "original" {
			arrives(t, tr)
		}
	}
}
