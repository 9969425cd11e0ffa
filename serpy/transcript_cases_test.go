package serpy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

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
