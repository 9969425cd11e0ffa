package tinyproto_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// In the tables a name without v2_ or v3_ stands for both versions.

// sound conversations are played from either side, with and without eager
// sending.
var sound = map[string]bool{
	"cross_v2client_v3server": true, "cross_v3client_v2server": true,
	"client_shutdown": true, "close_clean": true, "echo": true, "init": true,
	"limit_freed": true, "msg_0": true, "msg_1": true, "msg_5m": true,
	"msg_64k": true, "msg_empty_then_data": true, "msg_text": true,
	"plugins": true, "server_pre_loop_transmit": true, "server_shutdown": true,
	"server_to_client": true, "slow_bytes": true, "transmit_int": true,
	"two_in_row": true, "v3_connection_limit": true,
	"v3_transmit_from_other_thread": true,
}

// eager conversations are sound too, but this side sends without waiting:
// we do so when we take it.
var eager = map[string]wire.Role{
	"eager_reply_with_ok":  wire.Accepting,
	"eager_send":           wire.Dialing,
	"eager_send_to_client": wire.Accepting,
	"eager_with_hello":     wire.Dialing,
	"idle_client":          wire.Accepting,
}

// failing conversations end in an error, as they should. The other side is a
// hand-driven socket that breaks a rule.
var failing = map[string]recorded.Play{
	"bad_hello_to_client":                 {Role: wire.Dialing, Check: refusals(0xFE, 0xFD, 0x00)},
	"bad_hello_to_server":                 {Role: wire.Accepting, Check: refusals(0x00, 0xFE, 'G')},
	"v2_connection_limit_original_client": {Role: wire.Dialing, Check: refusals(-1, 0x00)},
	"status_rejected":                     {Role: wire.Dialing, Check: refusals(0x00, 0xFE, 0xFD), Do: sendOnEach(3, 7)},
	"hello_missing":                       {Role: wire.Dialing, Check: leftWaiting("closed before its hello")},
	"hello_missing_default_timeout":       {Role: wire.Dialing, Check: leftWaiting("closed before its hello")},
	"hello_missing_to_server":             {Role: wire.Accepting, Check: leftWaiting("closed before its hello")},
	"ok_missing":                          {Role: wire.Dialing, Check: leftWaiting("1 of our messages unconfirmed"), Do: sendOnEach(1, 7)},
	"peer_closes_instead_of_ok":           {Role: wire.Dialing, Check: leftWaiting("1 of our messages unconfirmed"), Do: sendOnEach(1, 7)},
}

// defects of the originals. When we take the original's side, this is what we
// answer and how we fail; nothing is delivered.
var defects = map[string]struct {
	role   wire.Role
	defect string
	out    string
	text   string
}{
	"close_before_payload": {wire.Accepting, "delivers four zero bytes", "\xFF\xFF", "inside a message, 0 of 100 bytes came"},
	"close_mid_header":     {wire.Accepting, "makes a size of two bytes, answers it and delivers four zero bytes", "\xFF", "inside the size of a message, 2 of 4 bytes came"},
	"close_mid_payload":    {wire.Accepting, "delivers the part that came and four zero bytes", "\xFF\xFF", "inside a message, 10 of 100 bytes came"},
	"reset_mid_payload":    {wire.Accepting, "delivers an empty message", "\xFF\xFF", "inside a message, 10 of 100 bytes came"},
	"payload_missing":      {wire.Dialing, "delivers an empty message", "\xFF\xFF", "inside a message, 3 of 10 bytes came"},
	"size_exact_limit":     {wire.Accepting, "delivers the part that came and four zero bytes", "\xFF\xFF", "inside a message, 3 of 4043309055 bytes came"},
	"size_too_big":         {wire.Accepting, "goes on behind a refusal (2.0.1), or keeps the connection open and deaf (3.0)", "\xFF\x00", "a message of 4043309056 bytes"},
	"extra_hello":          {wire.Accepting, "goes on out of step (2.0.1)", "\xFF\x00", "an OK (FF) that answers nothing"},
	"early_ok":             {wire.Dialing, "takes an OK for the beginning of a size", "\xFF\x00", "an OK (FF) that answers nothing"},
}

// special conversations have a test of their own.
var special = map[string]recorded.Case{
	"collision":                           {Defect: "does not survive a collision", Test: collision},
	"collision_raw":                       {Defect: "does not survive a collision", Test: collisionRaw},
	"collision_outside_thread":            {Defect: "is out of step after a collision", Test: collisionRaw},
	"request_reply_pipelined":             {Defect: "does not survive a collision", Test: pipelined},
	"transmit_string":                     {Defect: "announces a text and does not send it", Test: transmitString},
	"v2_connection_limit":                 {Defect: "says 00 254 times where one FE was meant", Test: connectionLimit},
	"v3_connection_limit_original_client": {Defect: "dies instead of refusing", Test: limitWithoutAWord},
	"connect_refused":                     {NoBytes: "nobody listens"},
	"ipv6_details":                        {NoBytes: "forms of addresses"},
	"v2_transmit_from_other_thread":       {NoBytes: "the original's threads"},
}

// Verifies: TINYPROTO-02, TINYPROTO-13, TINYPROTO-15, TINYPROTO-17, TINYPROTO-18, TINYPROTO-24
func TestTranscripts(t *testing.T) {
	cases := map[string]recorded.Case{}
	for _, tr := range recorded.Load(t, "tinyproto") {
		if c, ok := classify(tr); ok {
			cases[tr.Name] = c
		}
	}
	recorded.Classify(t, "tinyproto", cases)
}

func classify(tr recorded.Transcript) (recorded.Case, bool) {
	if _, ok := find(sound, tr); ok {
		var c recorded.Case
		for _, role := range roles {
			c.Plays = append(c.Plays, play(auto, role, tr))
			if len(said(tr, role)) > 0 { // only then Eager matters
				c.Plays = append(c.Plays, play(never, role, tr))
			}
		}
		return c, true
	}
	if sender, ok := find(eager, tr); ok {
		receiver := sender.Peer()
		return recorded.Case{Plays: []recorded.Play{
			play(auto, sender, tr), play(auto, receiver, tr), play(never, receiver, tr),
		}}, true
	}
	if p, ok := find(failing, tr); ok {
		p.Protocol = never
		return recorded.Case{Plays: []recorded.Play{p}}, true
	}
	if d, ok := find(defects, tr); ok {
		return recorded.Case{Defect: d.defect, Test: func(t *testing.T, tr recorded.Transcript) {
			for _, p := range []tinyproto.Protocol{auto, never} {
				for _, feed := range []func(*wiretest.Driver, []byte){(*wiretest.Driver).Feed, (*wiretest.Driver).FeedBytewise} {
					conn := wiretest.NewDriver(t, p, d.role, wire.Limits{})
					feed(conn, tr.Stream(0, d.role.Peer()))
					conn.EOF()
					var broken *wire.ProtocolError
					if !errors.As(conn.Err, &broken) || !strings.Contains(conn.Err.Error(), d.text) {
						t.Errorf("error %v, want %q", conn.Err, d.text)
					}
					if len(conn.Messages()) > 0 || string(conn.Out) != d.out {
						t.Errorf("%d messages delivered, % X written; want none and % X", len(conn.Messages()), conn.Out, d.out)
					}
				}
			}
		}}, true
	}
	return find(special, tr)
}

// find looks for a transcript under its name and its name without version.
func find[T any](table map[string]T, tr recorded.Transcript) (T, bool) {
	if v, ok := table[tr.Name]; ok {
		return v, true
	}
	v, ok := table[tr.Name[len("v2_"):]]
	return v, ok
}

var sides = map[wire.Role]string{wire.Dialing: "client", wire.Accepting: "server"}

// said returns the messages that role sends in tr: what the other side's API
// has received, or where plugins change it or there is no API, what they make
// of it.
func said(tr recorded.Transcript, role wire.Role) []wire.Message {
	switch tr.Name[len("v2_"):] + "/" + role.String() {
	case "plugins/dialing":
		return []wire.Message{wire.Text("<2:<1:msg:1>:2>")}
	case "plugins/accepting":
		return []wire.Message{wire.Text("<2:<1:re msg:1>:2>")}
	case "eager_reply_with_ok/dialing":
		return []wire.Message{wire.Text("payload")}
	}
	var all []wire.Message
	for _, v := range tr.Values(sides[role.Peer()], "transmission_received", "msg") {
		all = append(all, v.Message())
	}
	return all
}

// play takes role's side of a sound conversation. All messages are sent on the
// first connection; the others say no more than hello.
func play(p tinyproto.Protocol, role wire.Role, tr recorded.Transcript) recorded.Play {
	send, receive := said(tr, role), said(tr, role.Peer())
	var do []recorded.Action
	if strings.HasSuffix(tr.Name, "transmit_int") {
		do = append(do, sendInt)
	}
	for _, m := range send {
		do = append(do, recorded.Send(m))
	}
	return recorded.Play{
		Protocol: p,
		Role:     role,
		Do:       map[int][]recorded.Action{0: do},
		Check: func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
			got := conns[0].Messages()
			if len(got) != len(receive) {
				t.Fatalf("%d messages received, want %d", len(got), len(receive))
			}
			for i := range got {
				if !bytes.Equal(got[i].Bytes(), receive[i].Bytes()) {
					t.Errorf("message %d is %v, want %v", i, got[i], receive[i])
				}
			}
			if n := conns[0].Count(wire.EventConfirmed); n != len(send) {
				t.Errorf("%d of %d messages confirmed", n, len(send))
			}
			for _, d := range conns {
				if d.Err != nil || d.Machine.Awaiting() != 0 {
					t.Errorf("connection %d: %v, %d answers awaited", d.Conn, d.Err, d.Machine.Awaiting())
				}
			}
		},
	}
}

func sendInt(d *wiretest.Driver) error {
	if err := d.Send(wire.Int(5)); !errors.Is(err, wire.ErrNotRepresentable) {
		return fmt.Errorf("Send of an int: %w", err)
	}
	return nil
}

// sendOnEach sends a message of size bytes on each connection.
func sendOnEach(conns, size int) map[int][]recorded.Action {
	do := map[int][]recorded.Action{}
	for i := range conns {
		do[i] = []recorded.Action{recorded.Send(wire.Bytes(make([]byte, size)))}
	}
	return do
}

// refusals checks that the connections were refused with these codes; -1
// stands for no error. A lone 00 in place of an OK is told by the end of the
// stream.
func refusals(codes ...int) func(*testing.T, recorded.Transcript, []*wiretest.Driver) {
	return func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
		for i, code := range codes {
			err := conns[i].EOF()
			var refused *wire.RefusedError
			switch {
			case code < 0 && err != nil:
				t.Errorf("connection %d: %v", i, err)
			case code >= 0 && (!errors.As(err, &refused) || refused.Code != code):
				t.Errorf("connection %d: %v, want code %02X", i, err, code)
			}
		}
	}
}

// leftWaiting checks that an answer is awaited and how the end of the stream
// in its place is reported.
func leftWaiting(text string) func(*testing.T, recorded.Transcript, []*wiretest.Driver) {
	return func(t *testing.T, _ recorded.Transcript, conns []*wiretest.Driver) {
		if n := conns[0].Machine.Awaiting(); n != 1 {
			t.Errorf("%d answers awaited, want 1", n)
		}
		if err := conns[0].EOF(); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
}

// options are all combinations for two peers.
var options = [][2]tinyproto.Protocol{{auto, auto}, {auto, never}, {never, auto}, {never, never}}

// transmitString: a text is sent as its bytes; one that is announced and does
// not come is an error.
func transmitString(t *testing.T, tr recorded.Transcript) {
	d := wiretest.NewDriver(t, never, wire.Dialing, wire.Limits{})
	if err := d.Send(wire.Text("hello")); err != nil {
		t.Fatal(err)
	}
	d.Feed(tr.Stream(0, wire.Accepting))
	if want := append(tr.Stream(0, wire.Dialing), "hello"...); !bytes.Equal(d.Out, want) || d.Err != nil {
		t.Errorf("we have written % X, error %v; want % X", d.Out, d.Err, want)
	}
	d = wiretest.NewDriver(t, never, wire.Accepting, wire.Limits{})
	d.Feed(tr.Stream(0, wire.Dialing))
	if err := d.EOF(); !errors.Is(err, io.ErrUnexpectedEOF) || len(d.Messages()) > 0 {
		t.Errorf("events %v, error %v", d.Events, err)
	}
}

// connectionLimit: the first connection works; the others get one refusal,
// however many zeros they see.
func connectionLimit(t *testing.T, tr recorded.Transcript) {
	for conn := 1; conn <= 2; conn++ {
		d := wiretest.NewDriver(t, auto, wire.Dialing, wire.Limits{})
		d.Feed(tr.Stream(conn, wire.Accepting))
		var refused *wire.RefusedError
		if !errors.As(d.Err, &refused) || refused.Code != 0 || refused.Offset != 0 || len(d.Events) > 0 {
			t.Errorf("connection %d: %v, events %v", conn, d.Err, d.Events)
		}
	}
	first := tr
	first.Steps = nil
	for _, s := range tr.Steps {
		if s.Conn == 0 {
			first.Steps = append(first.Steps, s)
		}
	}
	for _, role := range roles {
		play(auto, role, tr).Run(t, first)
		play(never, role, tr).Run(t, first)
	}
}

// limitWithoutAWord: the connection ends before the hello.
func limitWithoutAWord(t *testing.T, tr recorded.Transcript) {
	d := wiretest.NewDriver(t, auto, wire.Dialing, wire.Limits{})
	d.Feed(tr.Stream(1, wire.Accepting))
	if err := d.EOF(); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "tinyproto 3.0 does at its connection limit") {
		t.Error(err)
	}
}
