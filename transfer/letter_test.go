package transfer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: TPFT-01
func TestLettersAsSent(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"type":"upload-request","letter":{"file_size":300,"destination_path":"remote.bin"}}`:                  newLetter(typeUpload, field{keySize, int64(300)}, field{keyDestination, "remote.bin"}),
		`{"type":"upload-request","letter":{"file_size":0,"destination_path":"<a&b>\u2028","resume":true}}`:     newLetter(typeUpload, field{keySize, int64(0)}, field{keyDestination, "<a&b>\u2028"}, field{keyResume, true}),
		`{"type":"download-request","letter":{"download_path":"d\u00e4tei \u20ac \ud83d\ude00 \"q\" \\b.bin"}}`: newLetter(typeDownload, field{keySource, "dätei € 😀 \"q\" \\b.bin"}),
		`{"type":"download-request","letter":{"download_path":"x\udcff\udce4\u007f\u0000\b\f\n\r\t/"}}`:         newLetter(typeDownload, field{keySource, "x\xff\xe4\x7f\x00\b\f\n\r\t/"}),
		`{"type":"download-confirmation","letter":{"file_size":9437184}}`:                                       newLetter(typeOffer, field{keySize, int64(9437184)}),
		`{"type":"confirmed","letter":{}}`:                                                   newLetter(typeConfirmed),
		`{"type":"confirmed","letter":{"offset":7,"sha256":"00ff"}}`:                         newLetter(typeConfirmed, field{keyOffset, int64(7)}, field{keyDigest, digest{0, 0xFF}}),
		`{"type":"rejected","letter":{"reason":"[Errno 2] No such file or directory: 'x'"}}`: newLetter(typeRejected, field{keyReason, "[Errno 2] No such file or directory: 'x'"}),
		`{"type":"close","letter":{}}`:                                                       newLetter(typeClose),
	} {
		if string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Verifies: TPFT-01
func TestLettersAsRead(t *testing.T) {
	request := `{"type":"download-request","letter":{"download_path":"dätei 😀"}}`
	units := utf16.Encode([]rune(request))
	encode := func(n int, order binary.AppendByteOrder, mark bool) string {
		var b []byte
		put := func(v uint32) {
			if n == 2 {
				b = order.AppendUint16(b, uint16(v))
			} else {
				b = order.AppendUint32(b, v)
			}
		}
		if mark {
			put(0xFEFF)
		}
		if n == 2 {
			for _, u := range units {
				put(uint32(u))
			}
		} else {
			for _, r := range request {
				put(uint32(r))
			}
		}
		return string(b)
	}
	for name, in := range map[string]string{
		"plain":       request,
		"white space": " \n{ \"letter\" : { \"x\":[{}] ,\t\"download_path\" : \"d\\u00e4tei \\uD83D\\uDE00\" } , \"y\":1e9, \"type\":\"download-request\" }\r\n",
		"twice":       `{"type":"close","type":"download-request","letter":{"download_path":"x","download_path":"dätei 😀"}}`,
		"other case":  `{"type":"download-request","Type":"close","letter":{"download_path":"dätei 😀","Download_path":"y"}}`,
		"UTF-8 mark":  "\xEF\xBB\xBF" + request,
		"UTF-16 LE":   encode(2, binary.LittleEndian, false),
		"UTF-16 BE":   encode(2, binary.BigEndian, false),
		"UTF-16 LE+":  encode(2, binary.LittleEndian, true),
		"UTF-16 BE+":  encode(2, binary.BigEndian, true),
		"UTF-32 LE":   encode(4, binary.LittleEndian, false),
		"UTF-32 BE":   encode(4, binary.BigEndian, false),
		"UTF-32 LE+":  encode(4, binary.LittleEndian, true),
		"UTF-32 BE+":  encode(4, binary.BigEndian, true),
	} {
		l, err := parseLetter([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p, err := l.text(keySource); l.kind != typeDownload || p != "dätei 😀" || err != nil {
			t.Errorf("%s: %q %q %v", name, l.kind, p, err)
		}
	}
	for in, kind := range map[string]string{
		`{"type":"unheard-of","letter":{}}`: "unheard-of",
		`{"type":7,"letter":{}}`:            "",
		`{"type":null,"letter":{}}`:         "",
		`{"type":"close","letter":null}`:    typeClose,
		`{"type":"close","letter":[1]}`:     typeClose,
	} {
		if l, err := parseLetter([]byte(in)); err != nil || l.kind != kind {
			t.Errorf("%s: %q %v", in, l.kind, err)
		}
	}
}

// Verifies: TPFT-18
func TestNoLetters(t *testing.T) {
	for in, why := range map[string]string{
		"":                                 "unexpected end",
		"hello":                            "invalid character",
		"[1]":                              "array",
		"null":                             "missing",
		`{"letter":{}}`:                    "missing",
		`{"type":"close"}`:                 "missing",
		`{"type":"close","letter":{}}x`:    "invalid character",
		"\xEF\xBB\xBF":                     "unexpected end",
		"\xFF\xFE{":                        "not UTF-16",
		"\xFF\xFE\x00\x00{":                "not UTF-32",
		"\x00\x00\xFE\xFF\x00\x11\x00\x00": "not UTF-32",
		`{"type":"close","letter":{"` + "\xFF" + `":1}}`: "not UTF-8",
	} {
		_, err := parseLetter([]byte(in))
		if err == nil || !strings.Contains(err.Error(), "is no letter of tpft: ") || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %s", in, err, why)
		}
	}
	if _, err := readLetter(MaxLetter+1, nil); err == nil {
		t.Error("a letter above MaxLetter was read")
	}
}

// Verifies: TPFT-12
func TestFields(t *testing.T) {
	for in, want := range map[string]string{
		`5`: "", `0`: "", `-0`: "", ` 9223372036854775807 `: "",
		`-1`:                                   "file_size is negative: -1",
		`9223372036854775808`:                  "file_size 9223372036854775808 is out of range",
		`5.0`:                                  "file_size is 5.0, which is no whole number of bytes",
		`1e3`:                                  "file_size is 1e3, which is no whole number of bytes",
		`"5"`:                                  `file_size is "5", which is no whole number of bytes`,
		`true`:                                 "file_size is true, which is no whole number of bytes",
		`null`:                                 "file_size is null, which is no whole number of bytes",
		`[` + strings.Repeat("1,", 100) + `1]`: "file_size is [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1, which is no whole number of bytes",
	} {
		l, err := parseLetter([]byte(`{"type":"x","letter":{"file_size":` + in + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = l.count(keySize); text(err) != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
		if _, err = l.count(keyOffset); text(err) != "offset is missing" {
			t.Error(err)
		}
	}
	for in, want := range map[string]string{
		`""`: "", `"\/"`: "", `"\ud83d\ude00"`: "", `"\udc80"`: "",
		`"\ud83d"`:       "destination_path has half a character in it (D83D)",
		`"\ud83d\u0041"`: "destination_path has half a character in it (D83D)",
		`"\udc00"`:       "destination_path has half a character in it (DC00)",
		`7`:              "destination_path is 7, which is no text",
		`null`:           "destination_path is null, which is no text",
	} {
		l, err := parseLetter([]byte(`{"type":"x","letter":{"destination_path":` + in + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = l.text(keyDestination); text(err) != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	for in, ok := range map[string]bool{strings.Repeat("aF", 32): true, strings.Repeat("a", 63): false, strings.Repeat("x", 64): false, "": false} {
		l, err := parseLetter(newLetter("x", field{keyDigest, in}))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := l.digest(); (err == nil) != ok || ok && len(d) != 32 {
			t.Errorf("%q: %x, %v", in, d, err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// texts are texts of all kinds, and the bytes of broken ones.
func texts() []string {
	all := []string{"", "plain", "it's", `say "hi"`, `both ' and "`, "back\\slash", "tab\tline\nreturn\r", "\x00\x1f\x7f\u0080\u00a0ÿ", "\xff\xfe", "ä€😀",
		"\u2028\ufeff\u200b\ue000\U000e0001\U0010ffff", "a\xc3", "\xed\xa0\x80"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b []byte
		for range r.IntN(12) {
			switch r.IntN(4) {
			case 0:
				b = append(b, byte(r.IntN(256)))
			case 1:
				b = utf8.AppendRune(b, rune(r.IntN(0x250)))
			default:
				b = append(b, ` '"\ab`[r.IntN(6)])
			}
		}
		all = append(all, string(b))
	}
	return all
}

func TestTextsSurvive(t *testing.T) {
	for _, s := range texts() {
		l, err := parseLetter(newLetter(typeDownload, field{keySource, s}))
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if got, err := l.text(keySource); got != s || err != nil {
			t.Errorf("%q became %q, %v", s, got, err)
		}
	}
}

// What Python's json and repr make of the same texts; the tables in
// TestLettersAsSent and TestQuote have the same facts.
func TestTextsAsInPython(t *testing.T) {
	const program = `
import json, sys
for line in sys.stdin:
    s = bytes.fromhex(line.strip()).decode('utf-8', 'surrogateescape')
    print(json.dumps([json.dumps(s), json.dumps(repr(s))]))
`
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing: ", err)
	}
	cmd := exec.Command(python, "-c", program)
	var in strings.Builder
	for _, s := range texts() {
		for _, b := range []byte(s) {
			in.WriteString(string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]))
		}
		in.WriteByte('\n')
	}
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	for i, s := range texts() {
		var want [2]string
		if err := json.Unmarshal(lines[i], &want); err != nil {
			t.Fatal(err)
		}
		if got := string(appendText(nil, s)); got != want[0] {
			t.Errorf("%q as JSON: %s, want %s", s, got, want[0])
		}
		if got := string(appendText(nil, quote(s))); got != want[1] {
			t.Errorf("%q quoted: %s, want %s", s, got, want[1])
		}
	}
}

func FuzzLetter(f *testing.F) {
	f.Add([]byte(`{"type":"upload-request","letter":{"file_size":300,"destination_path":"d\u00e4tei \ud83d\ude00 \udcff","resume":true}}`))
	f.Add([]byte(`{"type":"confirmed","letter":{"offset":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}`))
	f.Add([]byte(" { \"letter\" : { \"reason\" : \"x\" , \"x\": 1 } ,\n \"type\" : \"rejected\", \"y\": [] } "))
	for _, s := range recorded.Streams(f, "tpft", 1000) {
		d := wiretest.NewDriver(f, tinyproto.Protocol{}, s.Role, wire.Limits{})
		d.Feed(s.Bytes)
		for _, m := range d.Messages() {
			f.Add(m.Bytes())
		}
	}
	f.Add([]byte("\xFF\xFE{\x00}\x00"))
	f.Add([]byte("\x00{\x00}"))
	f.Add([]byte("{\x00\x00\x00}\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		l, err := parseLetter(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		if n, err := l.count(keySize); err == nil && n < 0 {
			t.Fatalf("file_size %d", n)
		}
		l.digest()
		l.rejection()
		for _, key := range []string{keyDestination, keySource, keyReason} {
			s, err := l.text(key)
			if err != nil {
				continue
			}
			again, err := parseLetter(newLetter(l.kind, field{key, s}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again.text(key); got != s || err != nil {
				t.Fatalf("%q became %q, %v", s, got, err)
			}
			if err := checkPath(s, false); err == nil && !isInside(s) {
				t.Fatalf("%q is outside", s)
			}
		}
	})
}
