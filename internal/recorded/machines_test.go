package recorded_test

import (
	"fmt"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// What each side of each transcript has said, defects included, gives a
// machine of either role the same events however it is cut; with and without
// a program that answers every message.
//
// Verifies: RUNTIME-47
func TestEverySplitOfEveryTranscript(t *testing.T) {
	const tooLong = 1 << 20 // the plays feed these whole and byte by byte
	for folder, p := range map[string]wire.Protocol{
		"oneline": oneline.Protocol{}, "tinyproto": tinyproto.Protocol{}, "tpft": tinyproto.Protocol{},
		"serpy": serpy.Protocol{}, "serpy2": serpy2.Protocol{}, "line": line.SCPI(),
	} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			streams := 0
			for _, tr := range recorded.Load(t, folder) {
				for _, s := range said(tr) {
					if len(s.Bytes) > tooLong {
						continue
					}
					streams++
					wiretest.CheckSplits(t, p, s)
					s.Reply = func(d *wiretest.Driver, m wire.Message) { _ = d.Send(m) }
					wiretest.CheckSplits(t, p, s)
				}
			}
			if streams < 50 && folder != "line" || streams < 15 {
				t.Errorf("only %d streams", streams)
			}
		})
	}
}

// said returns what was said on each connection of a transcript, to be heard
// by the other side.
func said(tr recorded.Transcript) []wiretest.Stream {
	conns := 0
	for _, step := range tr.Steps {
		conns = max(conns, step.Conn+1)
	}
	var streams []wiretest.Stream
	for conn := range conns {
		for _, speaker := range []wire.Role{wire.Dialing, wire.Accepting} {
			if b := tr.Stream(conn, speaker); len(b) > 0 {
				name := fmt.Sprintf("%s, connection %d", tr.Name, conn)
				streams = append(streams, wiretest.Stream{Name: name, Role: speaker.Peer(), Bytes: b})
			}
		}
	}
	return streams
}
