package recording

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func text(s string) *string { return &s }
func mode(m int) *int       { return &m }

// samples are one entry of each form with its line.
var samples = []struct {
	line  string
	entry Entry
}{
	{`{"ts":0.000000,"conn":1,"event":"open","proto":"oneline"}`,
		Entry{Conn: 1, Event: Open, Proto: "oneline"}},
	{`{"ts":0.001500,"conn":1,"dir":"c2s","kind":"text","text":"*IDN? <&>"}`,
		Entry{At: 1500 * time.Microsecond, Conn: 1, Dir: ToServer, Value: Value{Kind: "text", Text: text("*IDN? <&>")}}},
	{`{"ts":1.000001,"conn":2,"dir":"s2c","kind":"text","b64":"/w==","invalid":true,"note":"what is that?"}`,
		Entry{At: time.Second + time.Microsecond, Conn: 2, Dir: ToClient, Note: "what is that?", Value: Value{Kind: "text", B64: []byte{0xff}, Invalid: true}}},
	{`{"ts":2.000000,"conn":1,"dir":"s2c","kind":"bytes","b64":"","mode":2}`,
		Entry{At: 2 * time.Second, Conn: 1, Dir: ToClient, Value: Value{Kind: "bytes", B64: []byte{}, Mode: mode(2)}}},
	{`{"ts":3.000000,"conn":1,"dir":"c2s","kind":"object","json":{"a":[1,2.5,null]},"mode":5,"pickle":"gAVLBS4="}`,
		Entry{At: 3 * time.Second, Conn: 1, Dir: ToServer, Value: Value{Kind: "object", JSON: []byte(`{"a":[1,2.5,null]}`), Mode: mode(5), Pickle: []byte("\x80\x05K\x05.")}}},
	{`{"ts":4.000000,"conn":1,"dir":"c2s","event":"lost","error":"too large"}`,
		Entry{At: 4 * time.Second, Conn: 1, Dir: ToServer, Event: Lost, Error: "too large"}},
	{`{"ts":5.000000,"conn":1,"dir":"c2s","event":"leave"}`, Entry{At: 5 * time.Second, Conn: 1, Dir: ToServer, Event: Leave}},
	{`{"ts":5.000000,"conn":1,"dir":"s2c","event":"reset"}`, Entry{At: 5 * time.Second, Conn: 1, Dir: ToClient, Event: Reset}},
}

// bare is an entry without its place.
func bare(e Entry) Entry {
	e.File, e.Line, e.Col = "", 0, 0
	return e
}

func TestSamples(t *testing.T) {
	var file strings.Builder
	for _, s := range samples {
		line, err := Append(nil, &s.entry)
		if err != nil || string(line) != s.line+"\n" {
			t.Errorf("written %s, error %v; want %s", line, err, s.line)
		}
		file.Write(line)
	}
	got, err := Read("x.jsonl", strings.NewReader(file.String()))
	if err != nil || len(got) != len(samples) {
		t.Fatalf("%d entries, error %v", len(got), err)
	}
	for i, e := range got {
		if !reflect.DeepEqual(bare(e), samples[i].entry) {
			t.Errorf("read %+v, want %+v", bare(e), samples[i].entry)
		}
		if e.File != "x.jsonl" || e.Line != i+1 {
			t.Errorf("entry %d is said to be at %s:%d", i, e.File, e.Line)
		}
	}
}

// What a person writes by hand, and what --json prints.
func TestForms(t *testing.T) {
	got, err := Read("x", strings.NewReader("\r\n"+
		`{"dir":"c2s","text":"a"}`+"\r\n\n  \n"+
		` { "text" : "b" , "dir" : "s2c" , "ts" : 0.5 } `+"\n"+
		`{"dir":"out","text":"c"}`+"\n"+
		`{"ts":"2026-11-20T10:37:01.5Z","conn":3,"dir":"in","proto":"oneline","kind":"text","len":1,"text":"d","delta":0.5,"rtt":1}`+"\n"+
		`{"ts":"2026-11-20T11:37:03+01:00","dir":"s2c","event":"end"}`+"\n"+
		`{"dir":"s2c","kind":"object","mode":4,"pickle":"gAVLBS4="}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Conn: 1, Dir: ToServer, Value: Value{Text: text("a")}, Line: 2, Col: 21},
		{Conn: 1, Dir: ToClient, Value: Value{Text: text("b")}, Line: 5, Col: 13, At: 500 * time.Millisecond},
		{Conn: 1, Dir: ToServer, Value: Value{Text: text("c")}, Line: 6, Col: 21, At: 500 * time.Millisecond},
		{Conn: 3, Dir: ToClient, Value: Value{Kind: "text", Text: text("d")}, Proto: "oneline", Line: 7, Col: 99, At: 500 * time.Millisecond},
		{Conn: 1, Dir: ToClient, Event: End, Line: 8, Col: 1, At: 2 * time.Second},
		{Conn: 1, Dir: ToClient, Value: Value{Kind: "object", Mode: mode(4), Pickle: []byte("\x80\x05K\x05.")}, Line: 9, Col: 1, At: 2 * time.Second},
	}
	for i := range max(len(got), len(want)) {
		if i < len(got) {
			got[i].File = ""
		}
		if i >= len(got) || i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("entry %d of %+v\nwant %+v", i, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		`{"dir":"c2s","txt":"a"}`:                                `f:2:14: unknown key "txt": use ts, conn, dir, event, proto, prompt, kind, text, b64, json, mode, invalid, pickle, error, note`,
		`{"note":"äöü","Dir":"c2s"}`:                             `f:2:15: unknown key "Dir"`,
		`{"dir":"c2s","dir":"c2s"}`:                              `f:2:14: the key "dir" is there twice`,
		`{"dir":"c2x","text":"a"}`:                               `f:2:8: "dir": "c2x": want c2s (client to server) or s2c`,
		`{"dir":5,"text":"a"}`:                                   `f:2:8: "dir": want c2s or s2c`,
		`{"text":"a"}`:                                           `f:2:1: a message needs a "dir"`,
		`{"dir":"c2s"}`:                                          `f:2:1: a message needs one of "text", "b64" and "json"`,
		`{"dir":"c2s","text":"a","b64":"YQ=="}`:                  `f:2:1: a message needs one of`,
		`{"dir":"c2s","text":5}`:                                 `f:2:21: "text": want a string`,
		`{"dir":"c2s","text":null}`:                              `f:2:21: "text": want a string`,
		`{"dir":"c2s","b64":"YQ"}`:                               `f:2:20: "b64": want base64 with its padding`,
		`{"dir":"c2s","kind":"number","text":"1"}`:               `f:2:21: "kind": "number": want text, bytes, int, float or object`,
		`{"dir":"c2s","text":"a","mode":6}`:                      `f:2:32: "mode": want a number from 0 to 5`,
		`{"dir":"c2s","text":"a","conn":0}`:                      `f:2:32: "conn": want a number from 1`,
		`{"dir":"c2s","text":"a","conn":1.5}`:                    `f:2:32: "conn": want a number from 1`,
		`{"dir":"c2s","text":"a","ts":-1}`:                       `f:2:30: "ts": want a time that is possible`,
		`{"dir":"c2s","text":"a","ts":"yesterday"}`:              `f:2:30: "ts": want seconds, or a time such as`,
		`{"dir":"c2s","text":"a","ts":"9999-12-31T23:59:59Z"}`:   `f:2:30: "ts": want a time from 1970 to 2262`,
		`{"dir":"c2s","text":"a","ts":"0001-01-01T00:00:00Z"}`:   `f:2:30: "ts": want a time from 1970 to 2262`,
		`{"dir":"c2s","text":"a","ts":"2262-04-11T23:47:16.9Z"}`: `f:2:30: "ts": want a time from 1970 to 2262`,
		`{"dir":"c2s","text":"a","ts":true}`:                     `f:2:30: "ts": want seconds`,
		`{"dir":"c2s","text":"a","invalid":1}`:                   `f:2:35: "invalid": want true or false`,
		`{"event":"opened"}`:                                     `f:2:10: "event": "opened": want open, leave, shutdown, end, reset, lost or stopped`,
		`{"event":"end"}`:                                        `f:2:1: the event "end" needs a "dir"`,
		`{"event":"leave","dir":"s2c"}`:                          `f:2:24: only a client says "leave"`,
		`{"event":"open","text":"a"}`:                            `f:2:24: an event has no "text"`,
		`{"dir":"c2s","text":"a"`:                                `f:2:24: no JSON: the line ends inside the object`,
		`{"dir":"c2s","text":"a}`:                                `no JSON: the line ends inside the object`,
		`{"dir":"c2s" "text":"a"}`:                               `f:2:13: no JSON:`,
		`{"dir":"c2s","text":"a"} {}`:                            `f:2:25: there is more behind the object`,
		`["dir"]`:                                                `f:2:1: want an object`,
		`hello`:                                                  `f:2:1: no JSON:`,
	} {
		_, err := Read("f", strings.NewReader("{\"dir\":\"s2c\",\"text\":\"fine\"}\n"+line+"\n"))
		var place *PlaceError
		if !errors.As(err, &place) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  %v, want\n  %s", line, err, want)
		}
	}
}

func TestReadFails(t *testing.T) {
	if _, err := Read("f", iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

// What can be read can be written and read again. Times keep microseconds.
func FuzzRead(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.line))
	}
	f.Add([]byte(`{"dir":"out","text":"c","ts":"2026-11-20T10:37:01.5Z","len":3}` + "\n" + `{"dir":"c2s","json":[1,{"b":2,"a":1}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		entries, err := Read("f", strings.NewReader(string(file)))
		if errors.As(err, new(*UnfinishedError)) {
			err = nil
		}
		if err != nil {
			var place *PlaceError
			if !errors.As(err, &place) || place.Line < 1 || place.Col < 1 {
				t.Fatalf("error %v", err)
			}
			return
		}
		var again []byte
		for i := range entries {
			if again, err = Append(again, &entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		second, err := Read("f", strings.NewReader(string(again)))
		if err != nil || len(second) != len(entries) {
			t.Fatalf("%s\nwritten again:\n%s\n%v", file, again, err)
		}
		for i := range entries {
			a, b := bare(entries[i]), bare(second[i])
			a.At, b.At = a.At.Round(time.Microsecond), b.At.Round(time.Microsecond)
			a.JSON, b.JSON = nil, nil // written without white space
			if a.At < 0 {
				a.At, b.At = 0, 0
			}
			if len(a.Pickle) == 0 {
				a.Pickle, b.Pickle = nil, nil
			}
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("entry %d: %+v, then %+v", i, a, b)
			}
		}
	})
}
