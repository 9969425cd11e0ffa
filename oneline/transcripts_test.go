package oneline_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// answers maps a command to its responses; "*" stands for all other commands.
type answers map[string][]string

func (a answers) reply(d *wiretest.Driver, m wire.Message) {
	lines, ok := a[m.Text()]
	if !ok {
		lines = a["*"]
	}
	for _, line := range lines {
		// An error shows as missing bytes.
		d.Send(wire.Text(line))
	}
}

var ack = answers{"*": {"ack"}}

// server plays the accepting side and checks the commands against the
// callbacks recorded.
func server(a answers) recorded.Play {
	return recorded.Play{
		Protocol: oneline.Protocol{MaxLine: 2 << 20},
		Role:     wire.Accepting,
		Reply:    a.reply,
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			var got, want []string
			for _, d := range conns {
				if d.Err != nil {
					t.Error(d.Err)
				}
				for _, m := range d.Messages() {
					got = append(got, described(m.Text(), oneline.Invalid(m)))
				}
			}
			invalid := tr.Values("server", "callback", "is_invalid")
			for i, v := range tr.Values("server", "callback", "cmd") {
				want = append(want, described(v.Text, invalid[i].Bool))
			}
			if !slices.Equal(got, want) {
				t.Errorf("commands %q, want %q", got, want)
			}
		},
	}
}

func described(text string, invalid bool) string {
	if invalid {
		return text + " (invalid)"
	}
	return text
}

// client plays the dialing side; do are its actions on its only connection.
func client(do ...recorded.Action) recorded.Play { return clients(do) }

// clients is client for several connections. What is received must be what
// the recv() calls returned, apart from those that timed out.
func clients(do ...[]recorded.Action) recorded.Play {
	p := recorded.Play{
		Protocol: oneline.Protocol{MaxLine: 2 << 20},
		Role:     wire.Dialing,
		Do:       map[int][]recorded.Action{},
		Check: func(t *testing.T, tr recorded.Transcript, conns []*wiretest.Driver) {
			for _, d := range conns {
				if d.Err != nil {
					t.Error(d.Err)
				}
				if d.Count(wire.EventOpen) != 1 {
					t.Errorf("events %v", d.Events)
				}
			}
			var want []string
			for _, e := range tr.API {
				v, ok := e.Values["result"]
				if ok && strings.HasPrefix(e.Call, "recv(") && !strings.Contains(e.Call, "timeout=0.6") &&
					!strings.Contains(e.Call, "timeout=1)") && !strings.Contains(e.Call, "late pong") {
					want = append(want, v.Text)
				}
			}
			if got := texts(conns...); !slices.Equal(got, want) {
				t.Errorf("responses %q, want %q", got, want)
			}
		},
	}
	for conn, actions := range do {
		p.Do[conn] = actions
	}
	return p
}

// receiving replaces the check: the client has received exactly these lines.
func receiving(p recorded.Play, want ...string) recorded.Play {
	p.Check = func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
		if got := texts(conns...); !slices.Equal(got, want) {
			t.Errorf("responses %q, want %q", got, want)
		}
	}
	return p
}

func texts(conns ...*wiretest.Driver) []string {
	var all []string
	for _, d := range conns {
		for _, m := range d.Messages() {
			all = append(all, m.Text())
		}
	}
	return all
}

func say(lines ...string) []recorded.Action { return recorded.SendText(lines...) }

func sayAndLeave(lines ...string) []recorded.Action {
	return append(recorded.SendText(lines...), recorded.Close())
}

func sound(plays ...recorded.Play) recorded.Case { return recorded.Case{Plays: plays} }

func noBytes(about string) recorded.Case { return recorded.Case{NoBytes: about} }

// Verifies: ONELINE-01, ONELINE-02, ONELINE-03, ONELINE-04, ONELINE-05, ONELINE-08, ONELINE-09, ONELINE-16, ONELINE-19, ONELINE-30
func TestTranscripts(t *testing.T) {
	recorded.Classify(t, "oneline", map[string]recorded.Case{
		"after_disconnect_same_segment": sound(server(ack)),
		"cmd_many_responses": sound(client(say("list")...),
			server(answers{"list": {"one", "", "three", "4"}})),
		"cmd_no_response":      sound(client(say("silent")...), server(nil)),
		"cmd_one_response":     sound(client(say("cmd01")...), server(ack)),
		"connect_handshake":    sound(client(recorded.Close()), server(nil)),
		"connect_slow_pong_ok": sound(client(), server(nil)),
		"connect_twice": sound(clients(sayAndLeave(), say("cmd01")),
			server(ack)),
		"connect_wrong_greeting":   sound(wrongGreeting()),
		"crlf_line":                sound(server(answers{"*": {"got"}})),
		"disconnect_server_closes": sound(server(nil)),
		"disconnect_then_next_client": sound(clients(sayAndLeave("cmd1"), sayAndLeave("cmd2")),
			server(ack)),
		"disconnect_with_unread_responses": sound(receiving(client(sayAndLeave("cmd01", "cmd02")...), "ack", "ack"),
			server(ack)),
		"empty_line":               sound(client(say("")...), server(ack)),
		"invalid_bytes":            sound(server(ack)),
		"invalid_bytes_disconnect": sound(server(nil)),
		"long_line_1m": sound(client(say(alphabet(1<<20))...),
			server(answers{"*": {"1048576"}})),
		"long_response_1m": sound(client(say("big")...),
			server(answers{"big": {alphabet(1 << 20)}})),
		"long_response_deadline": sound(receiving(client(say("big")...), alphabet(1<<18)),
			server(answers{"big": {alphabet(1 << 18)}})),
		"ping_variants": sound(
			receiving(client(say("ping ", " ping", "PING", "Ping", "ping\t", "pong", "invalid",
				"disconnect ", " shutdown", "DISCONNECT")...), slices.Repeat([]string{"other"}, 10)...),
			server(answers{"*": {"other"}})),
		"pipelined_commands":  sound(server(answers{"one": {"one!"}, "": {"!"}, "two": {"two!"}})),
		"recv_strips":         sound(client()),
		"recv_timeout_values": sound(receiving(client()), server(nil)),
		"second_client_while_first": sound(clients(sayAndLeave(), say("cmd01")),
			server(ack)),
		"session_mixed": sound(
			clients(sayAndLeave("ping", "cmd01", "cmd02", "what"), say("cmd01", "shutdown")),
			server(answers{"cmd01": {"ack"}, "cmd02": {"a", "b"}, "*": {"nak - unknown cmd"}})),
		"shutdown":               sound(client(say("shutdown")...), server(nil)),
		"shutdown_server_closes": sound(server(nil)),
		"split_command":          sound(receiving(client(say("cmd01")...), "ack"), server(ack)),
		"utf8_command": sound(client(say("héllo", "€", "😀 ok", "plain")...),
			server(ack)),
		"utf8_response": sound(client(say("x")...), server(answers{"x": {"héllo € 😀"}})),

		"abrupt_fin": {
			Defect: "the server spins for ever after a client that closes inside a line",
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Accepting, tr)
				wantCut(t, d.EOF(), "the 7 bytes")
				if len(d.Messages()) != 0 {
					t.Errorf("an unfinished line was delivered: %v", d.Events)
				}
			},
		},
		"abrupt_rst": {
			Defect: "a reset kills the server",
			Plays:  []recorded.Play{client(), server(nil)},
			Test: func(t *testing.T, tr recorded.Transcript) {
				// To the machine it is an end of the stream like any other.
				if err := feed(t, wire.Accepting, tr).EOF(); err != nil {
					t.Error(err)
				}
			},
		},
		"callback_raises": {
			Defect: "an exception in the callback kills the server",
			Test: func(t *testing.T, tr recorded.Transcript) {
				// A handler that fails says nothing; the next line is served.
				d := feed(t, wire.Accepting, tr)
				if got := texts(d); !slices.Equal(got, []string{"cmd01"}) || string(d.Out) != "pong\n" {
					t.Errorf("commands %q, out %q", got, d.Out)
				}
			},
		},
		"connect_late_pong": {
			Defect: "a late pong is taken for a response",
			Plays:  []recorded.Play{client(), server(nil)},
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Dialing, tr)
				if len(d.Messages()) != 0 || d.Count(wire.EventOpen) != 1 {
					t.Errorf("events %v", d.Events)
				}
			},
		},
		"recv_after_server_close": {
			Defect: "the client does not notice the end of the stream and returns an unfinished line",
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Dialing, tr)
				wantCut(t, d.EOF(), "the 20 bytes")
				if len(d.Messages()) != 0 {
					t.Errorf("an unfinished line was delivered: %v", d.Events)
				}
			},
		},
		"recv_invalid_utf8": {
			Defect: "recv() raises when a deadline cuts a character in two",
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Dialing, tr)
				if got := texts(d); !slices.Equal(got, []string{"next", "cut € tail"}) || d.Count(wire.EventLost) != 1 {
					t.Errorf("events %v", d.Events)
				}
			},
		},
		"recv_partial_line": {
			Defect: "recv() returns an unfinished line at its deadline, the rest as a line of its own",
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Dialing, tr)
				if got := texts(d); !slices.Equal(got, []string{"half  rest"}) {
					t.Errorf("lines %q", got)
				}
			},
		},
		"send_non_string": {
			Defect: "a text with a line feed becomes two commands",
			Plays: []recorded.Play{
				client(append([]recorded.Action{recorded.Send(wire.Int(5))}, say("None", "a", "b")...)...),
				server(answers{"5": {"<5>"}, "None": {"<None>"}, "a": {"<a>"}, "b": {"<b>"}}),
			},
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Dialing, tr)
				if err := d.Send(wire.Text("a\nb")); !errors.Is(err, wire.ErrNotRepresentable) {
					t.Errorf("error %v", err)
				}
			},
		},
		"term_with_connected_client": {
			Defect: "term() delivers an unfinished line as a command",
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Accepting, tr)
				wantCut(t, d.EOF(), "the 1 bytes")
				if len(d.Messages()) != 0 {
					t.Errorf("an unfinished line was delivered: %v", d.Events)
				}
			},
		},
		"unsolicited_server_send": {
			Defect: "a server may speak outside a command",
			Plays:  []recorded.Play{client()}, // the client can't tell
			Test: func(t *testing.T, tr recorded.Transcript) {
				d := feed(t, wire.Accepting, tr)
				if err := d.Send(wire.Text("news")); !errors.Is(err, wire.ErrUnsolicited) {
					t.Errorf("error %v", err)
				}
				if string(d.Out) != "pong\n" {
					t.Errorf("out %q", d.Out)
				}
			},
		},

		"after_shutdown_port_still_listens": noBytes("listening"),
		"backlog_full":                      noBytes("listening"),
		"connect_fails_after_success":       noBytes("connecting"),
		"connect_refused":                   noBytes("connecting"),
		"missing_parameters":                noBytes("the original's parameters"),
		"port_in_use":                       noBytes("listening"),
		"restart_after_shutdown":            noBytes("listening"),
		"send_after_server_close":           noBytes("sending on a closed connection"),
		"send_to_gone_client":               noBytes("sending on a closed connection"),
		"term_idle":                         noBytes("closing a server"),
		"unread_responses_direct":           noBytes("a reset by the kernel"),
	})
}

// wrongGreeting: the first answer is not pong, so the client leaves politely;
// the second has white space around it.
func wrongGreeting() recorded.Play {
	p := clients(sayAndLeave())
	p.Check = func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
		var broken *wire.ProtocolError
		if !errors.As(conns[0].Err, &broken) || broken.Offset != 0 || !strings.Contains(broken.Rule, `"nope"`) {
			t.Errorf("error %v", conns[0].Err)
		}
		if conns[1].Err != nil || conns[1].Count(wire.EventOpen) != 1 {
			t.Errorf("error %v, events %v", conns[1].Err, conns[1].Events)
		}
	}
	return p
}

// feed gives a machine all that the transcript's other side said on the first
// connection.
func feed(t *testing.T, role wire.Role, tr recorded.Transcript) *wiretest.Driver {
	t.Helper()
	d := wiretest.NewDriver(t, oneline.Protocol{}, role, wire.Limits{})
	d.Feed(tr.Stream(0, role.Peer()))
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	return d
}

// wantCut checks the error of a stream that ended inside a line.
func wantCut(t *testing.T, err error, text string) {
	t.Helper()
	var broken *wire.ProtocolError
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &broken) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one that wraps io.ErrUnexpectedEOF and says %q", err, text)
	}
}

// alphabet returns n bytes of a to z.
func alphabet(n int) string {
	return strings.Repeat("abcdefghijklmnopqrstuvwxyz", n/26+1)[:n]
}
