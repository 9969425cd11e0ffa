package serpy

import (
	"bytes"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

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
