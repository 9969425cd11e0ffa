package device

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
)

// FuzzReplies reads any replies file, and asks the device that it makes.
func FuzzReplies(f *testing.F) {
	for _, name := range []string{"scpi", "power-supply", "multimeter", "oscilloscope", "camera"} {
		if b, err := os.ReadFile("../../../../examples/replies/" + name + ".toml"); err == nil {
			f.Add(bytes.ReplaceAll(b, []byte("file"), nil), []byte("VOLT 2.5;VOLT?"))
		}
	}
	for _, file := range []string{
		supply,
		"default = 'ERR'\n[state]\nx = 1\ny = ''\n[[reply]]\nprefix = 'SET '\nset = {y = '${rest}$$'}\nadd = {x = 1.5}\nresponse = ['${x}', {int = '${x}', delay = '1s', mode = 3}]",
		"ignore-case = true\n[[reply]]\npattern = '(?P<a>a+)(b)?'\ntype = 'bytes'\nsequence = [['${a}', '${2}'], {hex = '00ff'}, {b64 = 'AP8='}, {json = '{\"a\": 1}'}, 1.5]\nclose = true",
		"[state]\non = true\n[[reply]]\nrequest = ''\nwhen = {on = false}\ndelay = '-1ms'\nresponse = {float = '${0}'}",
		"[[reply]]\npattern = '('",
		"default = [{text = '$1'}, {int = 1}]",
		"prompt = '> '\necho = true\ngreeting = ['a', {hex = '00'}]\n[faults]\ncut = 0.5\ngarble = 1\n[[every]]\ninterval = '1s..2s'\nresponse = '${random(1, 6)}'\n",
		"[state.\"v[1..3]\"]\nvalue = 1\n[[reply]]\npattern = 'v(?P<n>.)'\nset = {\"v[n]\" = '${v[n] + 1}'}\nresponse = {waveform = 'v[2] * i', points = '${n}', format = 'f32le', block = true}\n",
	} {
		f.Add([]byte(file), []byte("SET a"))
	}
	f.Fuzz(func(t *testing.T, file, request []byte) {
		for _, word := range []string{"file", `\u`, `\U`, `\x`} {
			if bytes.Contains(file, []byte(word)) {
				t.Skip("it could name a file of this machine")
			}
		}
		def, err := Read(Source{Path: "replies.toml", Content: file, Typed: typed})
		var fe *FileError
		if err != nil {
			if def != nil || !errors.As(err, &fe) {
				t.Fatalf("%v, %q", def, err)
			}
			return
		}
		s := New(def, Config{Typed: typed, Began: epoch}).Session()
		s.Greeting(epoch)
		s.Due(epoch)
		for _, m := range []wire.Message{wire.Bytes(request), wire.Text(string(request)), wire.Int(int64(len(request)))} {
			for range 3 {
				r := s.Answer(m, epoch)
				for _, a := range r.Answers {
					var place *os.PathError
					if errors.As(a.Err, &place) {
						t.Fatalf("a file was opened: %v", a.Err)
					}
				}
			}
		}
	})
}

// FuzzSCPI cuts any line into commands and parameters: their headers are bounded and
// without blanks, and they are no more than what was said.
func FuzzSCPI(f *testing.F) {
	for _, line := range []string{
		"*IDN?;*OPC?", ":SOUR:VOLT 1.5V;LEV?;:MEAS? (@1,2:3)", "DATA #15a;b\nc,'it''s; so',\"x\"", "A #0;;;", "::;?;*;A:;#9", "A #H1F,#(,#15", "VOLT?(@1)",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		size := 0
		for u := range units(line) {
			if u.err != nil {
				return
			}
			if len(u.header) > maxHeader || strings.ContainsAny(u.header, blanks) {
				t.Fatalf("header %q", u.header)
			}
			params, err := splitParams(u.params)
			if err == nil {
				for _, p := range params {
					size += len(p.value)
				}
			}
		}
		if size > len(line) {
			t.Fatalf("the parameters of %q are longer than it", line)
		}
	})
}
