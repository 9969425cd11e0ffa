package recording

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

// utf16With returns s as UTF-16 with a byte order mark.
func utf16With(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// A file means the same whatever editor has written it.
func TestEditors(t *testing.T) {
	const unix = `{"dir":"c2s","text":"größe 😀"}` + "\n\n" + `{"ts":1,"dir":"s2c","text":"5"}` + "\n"
	windows := strings.ReplaceAll(unix, "\n", "\r\n")
	for name, file := range map[string]string{
		"LF": unix, "CR LF": windows, "CR": strings.ReplaceAll(unix, "\n", "\r"), "no end": strings.TrimSuffix(unix, "\n"),
		"UTF-8 with a mark": "\ufeff" + windows, "UTF-16 LE": utf16With(binary.LittleEndian, windows), "UTF-16 BE": utf16With(binary.BigEndian, windows),
		"mixed": strings.Replace(windows, "\r\n", "\r", 1),
	} {
		for _, r := range []io.Reader{strings.NewReader(file), iotest.OneByteReader(strings.NewReader(file))} {
			got, err := Read(name, r)
			if err != nil || len(got) != 2 || *got[0].Text != "größe 😀" || *got[1].Text != "5" || got[1].Line != 3 {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
	if _, err := Read("odd", strings.NewReader(utf16With(binary.LittleEndian, unix)+"x")); err == nil {
		t.Error("half a character at the end is no error")
	}
}

// The last line without an end is left out if it is not whole, wherever it was cut.
func TestUnfinishedLastLine(t *testing.T) {
	const first, last = `{"dir":"c2s","text":"1"}` + "\n", `{"ts":1.5,"dir":"s2c","text":"größe"}`
	for n := 1; n < len(last); n++ {
		got, err := Read("x.jsonl", strings.NewReader(first+last[:n]))
		var unfinished *UnfinishedError
		if !errors.As(err, &unfinished) || unfinished.Line != 2 || unfinished.Len != n || len(got) != 1 {
			t.Fatalf("%q: %d entries, %v", last[:n], len(got), err)
		}
	}
	if got, err := Read("x.jsonl", strings.NewReader(first+last)); err != nil || len(got) != 2 {
		t.Errorf("whole, without an end: %d entries, %v", len(got), err)
	}
	for _, bad := range []string{first + last[:9] + "\n", last[:9] + "\n" + first, first + `{"dir":"up"}`} {
		if got, err := Read("x.jsonl", strings.NewReader(bad)); err == nil || errors.As(err, new(*UnfinishedError)) || got != nil {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What Next returns of the file is the file.
func TestRaw(t *testing.T) {
	const file = "\n \r\n" + `{"dir":"c2s","text":"1"}` + "\r\n\r\n" + `{ "text":"2", "dir":"s2c" }` + "\r" + `{"dir":"s2c","text":"3"}` + "\n\n\n"
	r := NewReader("x", strings.NewReader(file))
	var all []byte
	n := 0
	for {
		_, raw, err := r.Next()
		all = append(all, raw...)
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if string(all) != file || n != 3 {
		t.Errorf("%d entries, %q", n, all)
	}
}
