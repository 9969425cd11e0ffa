package main

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/parley-net/parley"
)

// FuzzReplies reads any replies file, and asks the device that it makes.
func FuzzReplies(f *testing.F) {
	scpi, err := os.ReadFile("../../examples/replies/scpi.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.ReplaceAll(scpi, []byte("file"), nil), []byte("VOLT 2.5"))
	for _, file := range []string{
		"default = 'ERR'\n[state]\nx = 1\ny = ''\n[[reply]]\nprefix = 'SET '\nset = {y = '${rest}$$'}\nadd = {x = 1.5}\nresponse = ['${x}', {int = '${x}', delay = '1s', mode = 3}]",
		"ignore-case = true\n[[reply]]\npattern = '(?P<a>a+)(b)?'\ntype = 'bytes'\nsequence = [['${a}', '${2}'], {hex = '00ff'}, {b64 = 'AP8='}, {json = '{\"a\": 1}'}, 1.5]\nclose = true",
		"[state]\non = true\n[[reply]]\nrequest = ''\nwhen = {on = false}\ndelay = '-1ms'\nresponse = {float = '${0}'}",
		"[[reply]]\npattern = '('",
		"default = [{text = '$1'}, {int = 1}]",
	} {
		f.Add([]byte(file), []byte("SET a"))
	}
	f.Fuzz(func(t *testing.T, file, request []byte) {
		for _, word := range []string{"file", `\u`, `\U`, `\x`} {
			if bytes.Contains(file, []byte(word)) {
				t.Skip("it could name a file of this machine")
			}
		}
		d, err := newDevice("replies.toml", file)
		if err != nil {
			if d != nil || err.Error() == "" {
				t.Fatalf("%v, %q", d, err)
			}
			return
		}
		for _, m := range []parley.Message{parley.Bytes(request), parley.Text(string(request)), parley.Int(int64(len(request)))} {
			for range 3 {
				answers, ok := d.answer(m)
				if !ok && len(answers.list) > 0 {
					t.Fatalf("no reply fits, and yet %v", answers)
				}
				for _, a := range answers.list {
					var place *os.PathError
					if errors.As(a.err, &place) {
						t.Fatalf("a file was opened: %v", a.err)
					}
				}
			}
		}
	})
}
