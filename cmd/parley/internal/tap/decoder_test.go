package tap

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

const limit = 64 << 20

// log keeps what a decoder has said of one conversation.
type log struct {
	*Decoder
	protocol wire.Protocol
	items    []Item
}

func newLog(p wire.Protocol) *log {
	l := &log{protocol: p}
	l.Decoder = NewDecoder(p, limit, func(i Item) {
		i.Message = i.Message.Clone()
		l.items = append(l.items, i)
	})
	return l
}

// feed gives the decoder a copy, which it may spoil.
func (l *log) feed(from wire.Role, p []byte) { l.Feed(from, bytes.Clone(p)) }

func (l *log) feedBytewise(from wire.Role, p []byte) {
	for i := range p {
		l.feed(from, p[i:i+1])
	}
}

// messages returns what from has said.
func (l *log) messages(from wire.Role) []wire.Message {
	var all []wire.Message
	for _, i := range l.items {
		if i.Kind == Message && i.From == from {
			all = append(all, i.Message)
		}
	}
	return all
}

// confirmed returns how many messages from has confirmed.
func (l *log) confirmed(from wire.Role) (n int64) {
	for _, i := range l.items {
		if i.Kind == Confirmed && i.From == from {
			n += i.N
		}
	}
	return n
}

// String prints the items, without confirmations, for comparison.
func (l *log) String() string {
	var b strings.Builder
	arrows := map[wire.Role]string{wire.Dialing: ">", wire.Accepting: "<"}
	for _, i := range l.items {
		switch i.Kind {
		case Open:
			b.WriteString("open; ")
		case Message:
			fmt.Fprintf(&b, "%s%s; ", arrows[i.From], wire.Describe(l.protocol, i.Message))
		case Banner:
			fmt.Fprintf(&b, "%sbanner %q; ", arrows[i.From], i.Message.Bytes())
		case Confirmed:
		case Lost, Stopped:
			fmt.Fprintf(&b, "%s%s: %v; ", arrows[i.From], i.Kind, i.Err)
		default:
			fmt.Fprintf(&b, "%s%s; ", arrows[i.From], i.Kind)
		}
	}
	return b.String()
}

// overhear plays the transcript's connection past a decoder.
func overhear(tr recorded.Transcript, p wire.Protocol, conn int, feed func(*log, wire.Role, []byte)) *log {
	l := newLog(p)
	for _, s := range tr.Steps {
		switch {
		case s.Conn != conn:
		case s.Event == "":
			feed(l, s.From, s.Bytes)
		case s.Event == "fin":
			l.EOF(s.From)
		}
	}
	return l
}

// overheard is overhear for all connections, whole and byte by byte, which
// must not differ.
func overheard(t *testing.T, tr recorded.Transcript, p wire.Protocol) []*log {
	t.Helper()
	conns := 0
	for _, s := range tr.Steps {
		conns = max(conns, s.Conn+1)
	}
	var all []*log
	for conn := range conns {
		whole := overhear(tr, p, conn, (*log).feed)
		all = append(all, whole)
		if len(tr.Stream(conn, wire.Dialing))+len(tr.Stream(conn, wire.Accepting)) > 160<<10 {
			continue // byte by byte it takes too long
		}
		if bytewise := overhear(tr, p, conn, (*log).feedBytewise); bytewise.String() != whole.String() {
			t.Errorf("connection %d byte by byte:\n  %s\nwhole:\n  %s", conn, bytewise, whole)
		}
	}
	return all
}

// sides are the names of the originals' sides.
var sides = map[wire.Role]string{wire.Dialing: "client", wire.Accepting: "server"}

// said compares what a side was overheard to say with what the original at the
// other side has received: want are the values of its API.
func said(t *testing.T, got []wire.Message, want []recorded.Value) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("message %d, %.60q, was not overheard", i, want[i].Text)
		case i >= len(want):
			t.Errorf("message %d, %v, was overheard and not received", i, got[i])
		default:
			if m := want[i].Message(); !bytes.Equal(m.AppendText(nil), got[i].AppendText(nil)) {
				t.Errorf("message %d is %v, the original received %v", i, got[i], m)
			}
		}
	}
}

// broken are the transcripts in which an original or a hand-driven socket
// leaves the rules or is cut off: what the decoder then says, when both sides
// have ended.
var broken = map[string]string{
	"bad_hello_to_client":                 "(code FE); <stopped: parley: tinyproto refused, at byte 0: the peer reports a conflict",
	"bad_hello_to_server":                 `it begins with 47 ('G'), which looks like a text protocol`,
	"close_before_payload":                "0 of 100 bytes came",
	"close_mid_header":                    "2 of 4 bytes came",
	"close_mid_payload":                   "10 of 100 bytes came",
	"collision":                           "0 of ",
	"collision_outside_thread":            "61 where the answer to one of our messages was due",
	"collision_raw":                       "unexpected EOF",
	"early_ok":                            "an OK (FF) that answers nothing",
	"extra_hello":                         "an OK (FF) that answers nothing",
	"hello_missing":                       "before its hello",
	"hello_missing_default_timeout":       "before its hello",
	"hello_missing_to_server":             "before its hello",
	"ok_missing":                          "unconfirmed",
	"payload_missing":                     "3 of 10 bytes came",
	"peer_closes_instead_of_ok":           "unconfirmed",
	"request_reply_pipelined":             "unexpected EOF",
	"reset_mid_payload":                   "10 of 100 bytes came",
	"size_exact_limit":                    "3 of 4043309055 bytes came",
	"size_too_big":                        "a message of 4043309056 bytes",
	"status_rejected":                     "the peer does not take this message",
	"transmit_string":                     "0 of 5 bytes came",
	"v2_connection_limit":                 "as tinyproto 2.0.1 does at its connection limit",
	"v2_connection_limit_original_client": "as tinyproto 2.0.1 does at its connection limit",
	"v3_connection_limit_original_client": "as tinyproto 3.0 does at its connection limit",

	"download_bad_local":      "0 of 300 bytes came",
	"raw_upload_cut_corrupts": "of 10 bytes came",
}

func find[T any](table map[string]T, name string) (T, bool) {
	if v, ok := table[name]; ok {
		return v, true
	}
	v, ok := table[name[len("v2_"):]]
	return v, ok
}

// Both directions of every sound tinyproto conversation: what one original's
// API received is what the tap has heard the other say, and nothing else was
// on the wire.
func TestTinyprotoTranscripts(t *testing.T) {
	sound, compared := 0, 0
	for _, folder := range []string{"tinyproto", "tpft"} {
		for _, tr := range recorded.Load(t, folder) {
			if len(tr.Steps) == 0 {
				continue
			}
			t.Run(tr.Name, func(t *testing.T) {
				logs := overheard(t, tr, tinyproto.Protocol{})
				if text, ok := find(broken, tr.Name); ok {
					var all strings.Builder
					for _, l := range logs {
						l.EOF(wire.Dialing)
						l.EOF(wire.Accepting)
						all.WriteString(l.String())
					}
					if !strings.Contains(all.String(), text) {
						t.Errorf("overheard %s, want %q in it", all.String(), text)
					}
					return
				}
				sound++
				for conn, l := range logs {
					accounts(t, tr, conn, l)
				}
				for role := range sides {
					// The other side's API tells, where it is an original's.
					want := tr.Values(sides[role.Peer()], "transmission_received", "msg")
					if want != nil && !strings.Contains(tr.Name, "plugins") {
						said(t, logs[0].messages(role), want)
						compared++
					}
				}
			})
		}
	}
	if sound < 80 || compared < 40 {
		t.Errorf("only %d sound conversations, %d directions compared with an original's API", sound, compared)
	}
}

// accounts checks that each byte of a conversation belongs to a hello, a
// message or an OK.
func accounts(t *testing.T, tr recorded.Transcript, conn int, l *log) {
	t.Helper()
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		stream := tr.Stream(conn, role)
		if len(stream) == 0 {
			continue
		}
		size := 1 + l.confirmed(role)
		for _, m := range l.messages(role) {
			size += 4 + int64(m.Len())
		}
		if size != int64(len(stream)) {
			t.Errorf("connection %d, %v: the items make %d bytes of %d: %s", conn, role, size, len(stream), l)
		}
	}
	for _, i := range l.items {
		if i.Kind == Stopped || i.Kind == Lost {
			t.Errorf("connection %d: %s: %v", conn, i.Kind, i.Err)
		}
	}
}

// lone returns what a machine that knows nothing of the other direction makes
// of a stream. On serpy2 and serpy that is all there is to messages.
func lone(t *testing.T, p wire.Protocol, role wire.Role, stream []byte) []string {
	d := wiretest.NewDriver(t, p, role, wire.Limits{})
	d.Feed(stream)
	var all []string
	for _, e := range d.Events {
		switch e.Kind {
		case wire.EventMessage:
			all = append(all, e.Message.String())
		case wire.EventLost:
			all = append(all, "lost: "+e.Err)
		}
	}
	return all
}

func heard(l *log, from wire.Role) []string {
	var all []string
	for _, i := range l.items {
		switch {
		case i.From != from:
		case i.Kind == Message:
			all = append(all, i.Message.String())
		case i.Kind == Lost:
			all = append(all, "lost: "+i.Err.Error())
		}
	}
	return all
}

// unsolicited are serpy transcripts with acknowledgements that answer nothing,
// or what we call lost.
var unsolicited = map[string]bool{
	"mode0_command_injection": true, "mode0_soh_in_data": true, "raw_unsolicited_acks": true,
}

func TestSerpyTranscripts(t *testing.T) {
	acknowledgements := int64(0)
	for _, tr := range recorded.Load(t, "serpy") {
		if len(tr.Steps) == 0 {
			continue
		}
		t.Run(tr.Name, func(t *testing.T) {
			for conn, l := range overheard(t, tr, serpy.Protocol{}) {
				for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
					stream := tr.Stream(conn, role)
					want := lone(t, serpy.Protocol{NoPickle: true}, role.Peer(), stream)
					got := heard(l, role)
					if len(got) > len(want) && strings.Contains(got[len(got)-1], "ended inside a message") {
						got = got[:len(got)-1] // the driver above saw no end
					}
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("connection %d, %v:\n  %q, want\n  %q", conn, role, got, want)
					}
					acknowledgements += l.confirmed(role)
					if n := int64(bytes.Count(stream, []byte("\x01ACKEOT!!\x1f"))); l.confirmed(role) != n && !unsolicited[tr.Name] {
						t.Errorf("connection %d, %v: %d of %d acknowledgements were understood: %s", conn, role, l.confirmed(role), n, l)
					}
				}
			}
		})
	}
	if acknowledgements < 40 {
		t.Errorf("only %d acknowledgements", acknowledgements)
	}
}

func TestSerpy2Transcripts(t *testing.T) {
	for _, tr := range recorded.Load(t, "serpy2") {
		if len(tr.Steps) == 0 {
			continue
		}
		t.Run(tr.Name, func(t *testing.T) {
			if tr.Name == "checksum_wraps" {
				tr.Steps = tr.Steps[:0] // 17 MiB that tell nothing about a tap
			}
			for conn, l := range overheard(t, tr, serpy2.Protocol{}) {
				for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
					want := lone(t, serpy2.Protocol{}, role.Peer(), tr.Stream(conn, role))
					got := heard(l, role)
					if len(got) > len(want) && strings.Contains(got[len(got)-1], "the stream ended") {
						got = got[:len(got)-1]
					}
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("connection %d, %v:\n  %q, want\n  %q", conn, role, got, want)
					}
				}
			}
		})
	}
}
