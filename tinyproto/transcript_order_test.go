package tinyproto_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Without eager sending we keep the originals' timing: never a byte before
// theirs. (The player lets us run ahead.)
//
// Verifies: TINYPROTO-08, TINYPROTO-24
func TestTranscriptsInRecordedOrder(t *testing.T) {
	played := 0
	for _, tr := range recorded.Load(t, "tinyproto") {
		if _, ok := find(sound, tr); !ok {
			continue
		}
		for _, role := range roles {
			played++
			t.Run(tr.Name+"/"+role.String(), func(t *testing.T) { inRecordedOrder(t, tr, role) })
		}
	}
	if played < 2*len(sound) {
		t.Errorf("%d sides played, there are %d conversations", played, len(sound))
	}
}

func inRecordedOrder(t *testing.T, tr recorded.Transcript, role wire.Role) {
	queue := said(tr, role)
	conns, want := map[int]*wiretest.Driver{}, map[int][]byte{}
	for i, s := range tr.Steps {
		d := conns[s.Conn]
		if d == nil {
			d = wiretest.NewDriver(t, never, role, wire.Limits{})
			conns[s.Conn] = d
		}
		if s.From == role {
			want[s.Conn] = append(want[s.Conn], s.Bytes...)
			for len(d.Out) < len(want[s.Conn]) && !s.Race && len(queue) > 0 {
				if err := d.Send(queue[0]); err != nil {
					t.Fatal(err)
				}
				queue = queue[1:]
			}
		}
		if !s.Race && !bytes.Equal(d.Out, want[s.Conn]) {
			t.Fatalf("step %d: we have written %d bytes, recorded are %d, or they differ", i, len(d.Out), len(want[s.Conn]))
		}
		if s.From != role {
			d.Feed(s.Bytes)
		}
	}
	if len(queue) > 0 {
		t.Errorf("%d messages were not sent", len(queue))
	}
}

// collision: the originals' messages, sent at once by two of us.
func collision(t *testing.T, tr recorded.Transcript) {
	for seed, p := range options {
		pair := wiretest.NewPair(t, p[0], p[1], wire.Limits{}, uint64(seed))
		ends := []*wiretest.Driver{pair.Dialing, pair.Accepting}
		var messages []wire.Message
		for i, d := range ends {
			stream := tr.Stream(0, wire.Role(i))
			size := stream[len(stream)-1]
			messages = append(messages, wire.Bytes(make([]byte, size)))
			if err := d.Send(messages[i]); err != nil {
				t.Fatal(err)
			}
		}
		pair.Run()
		for i, d := range ends {
			if got := d.Messages(); d.Err != nil || len(got) != 1 || got[0].Len() != messages[1-i].Len() || d.Count(wire.EventConfirmed) != 1 {
				t.Errorf("%v: events %v, error %v", wire.Role(i), d.Events, d.Err)
			}
			if !bytes.HasPrefix(d.Out, tr.Stream(0, wire.Role(i))) {
				t.Errorf("%v: we have written % X", wire.Role(i), d.Out)
			}
		}
	}
}

// collisionRaw: a header crosses ours. Whatever the hand-driven client sent
// behind it, "\x04aa" is the beginning of its message, and the answer to ours
// comes behind that.
func collisionRaw(t *testing.T, tr recorded.Transcript) {
	stream := tr.Stream(0, wire.Dialing)[:len("\xFF\x00\x00\x00\x03")]
	for _, p := range []tinyproto.Protocol{auto, never} {
		for _, feed := range []func(*wiretest.Driver, []byte){(*wiretest.Driver).Feed, (*wiretest.Driver).FeedBytewise} {
			d := wiretest.NewDriver(t, p, wire.Accepting, wire.Limits{})
			if err := d.Send(wire.Text("from the server")); err != nil {
				t.Fatal(err)
			}
			feed(d, stream)
			feed(d, []byte("\x04aa\xFF"))
			if got := d.Messages(); d.Err != nil || len(got) != 1 || got[0].Text() != "\x04aa" || d.Count(wire.EventConfirmed) != 1 {
				t.Errorf("events %v, error %v", d.Events, d.Err)
			}
			if want := "\xFF\x00\x00\x00\x0ffrom the server\xFF"; string(d.Out) != want {
				t.Errorf("we have written %q, want %q", d.Out, want)
			}
		}
	}
}

// pipelined: three messages at once to an echo server.
func pipelined(t *testing.T, _ recorded.Transcript) {
	for seed, p := range options {
		pair := wiretest.NewPair(t, p[0], p[1], wire.Limits{}, uint64(seed))
		pair.Accepting.Reply = func(d *wiretest.Driver, m wire.Message) {
			if err := d.Send(m); err != nil {
				t.Error(err)
			}
		}
		for _, s := range []string{"one", "two", "three"} {
			if err := pair.Dialing.Send(wire.Text(s)); err != nil {
				t.Fatal(err)
			}
		}
		pair.Run()
		var echoes []string
		for _, m := range pair.Dialing.Messages() {
			echoes = append(echoes, m.Text())
		}
		if got := strings.Join(echoes, " "); got != "one two three" || pair.Dialing.Err != nil || pair.Accepting.Err != nil {
			t.Errorf("options %v: echoed %q, errors %v and %v", p, got, pair.Dialing.Err, pair.Accepting.Err)
		}
	}
}
