package recorded

import (
	"encoding/hex"
	"testing"

	"github.com/parley-net/parley/wire"
)

func TestTranscriptsLoad(t *testing.T) {
	for folder, want := range map[string]int{"oneline": 50, "tinyproto": 102, "serpy": 74, "serpy2": 46, "tpft": 40} {
		all := Load(t, folder)
		if len(all) != want {
			t.Errorf("%s: %d transcripts, want %d", folder, len(all), want)
		}
		for _, tr := range all {
			if tr.Protocol != folder || tr.Name == "" || tr.Description == "" {
				t.Errorf("%s/%s is incomplete", folder, tr.Name)
			}
			for i, s := range tr.Steps {
				if (len(s.Bytes) == 0) == (s.Event == "") {
					t.Errorf("%s/%s step %d has neither bytes nor an event, or both", folder, tr.Name, i)
				}
			}
			for _, e := range tr.API {
				if e.Side == "" || (e.Call == "") == (e.Event == "") {
					t.Errorf("%s/%s: odd entry %+v", folder, tr.Name, e)
				}
				for key, v := range e.Values {
					if v.Type == "" {
						t.Errorf("%s/%s: value %s has no type", folder, tr.Name, key)
					}
				}
			}
		}
	}
}

func TestTranscriptValues(t *testing.T) {
	tr := Find(t, "oneline", "long_line_1m")
	if got := tr.Values("server", "callback", "cmd"); len(got) != 1 || len(got[0].Text) != 1<<20 {
		t.Errorf("callback values: %d", len(got))
	}
	if got := len(tr.Stream(0, wire.Dialing)); got != len("ping\n")+1<<20+1 {
		t.Errorf("the client sent %d bytes", got)
	}
	if got := tr.Values("client", "recv(", "result"); len(got) != 1 || got[0].Message().Text() != "1048576" {
		t.Errorf("recv results: %v", got)
	}
	tr = Find(t, "serpy2", "float")
	found := false
	for _, e := range tr.API {
		for _, v := range e.Values {
			if v.Type == "float" && v.Message().Type() == wire.TypeFloat {
				found = true
			}
		}
	}
	if !found {
		t.Error("serpy2/float has no float value")
	}
}

// The digits were printed by Python's base64.b85encode.
func TestBase85(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "00": "00", "0000": "000", "00000000": "00000",
		"ffffffff": "|NsC0", "ff": "{{", "68656c6c6f": "Xk~0{Zv",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendBase85(nil, b)); got != want {
			t.Errorf("base85(%s) = %q, want %q", in, got, want)
		}
	}
}
