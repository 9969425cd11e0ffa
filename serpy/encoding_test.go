package serpy

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
)

// Verifies: SERPY-15
func TestLookupEncoding(t *testing.T) {
	for name, want := range map[string]string{
		"ascii": "ascii", "US-ASCII": "ascii", "646": "ascii", "ANSI_X3.4-1968": "ascii",
		"latin-1": "iso8859-1", "latin1": "iso8859-1", "Latin 1": "iso8859-1", "ISO-8859-1": "iso8859-1",
		"iso8859-1": "iso8859-1", "l1": "iso8859-1", "8859": "iso8859-1", "ISO_8859-1:1987": "iso8859-1",
		"utf-8": "utf-8", "UTF8": "utf-8", "utf_8": "utf-8", "u8": "utf-8", " utf--8 ": "utf-8",
		"cp1252": "cp1252", "windows-1252": "cp1252", "Windows_1252": "cp1252", "1252": "cp1252", "cp 1252": "cp1252",
		"iso-8859-15": "iso8859-15", "latin9": "iso8859-15", "latin-9": "iso8859-15", "l9": "iso8859-15",
		"cp437": "cp437", "437": "cp437", "IBM850": "cp850", "koi8-r": "koi8-r", "KOI8_R": "koi8-r",
		"mac-roman": "mac-roman", "macintosh": "mac-roman", "mac_roman": "mac-roman", "greek8": "iso8859-7",
	} {
		e, err := LookupEncoding(name)
		if err != nil || e.Name() != want {
			t.Errorf("LookupEncoding(%q) is %s, %v, want %s", name, e.Name(), err, want)
		}
	}
	for _, name := range []string{"", "-", "utf-16", "utf-32", "utf-7", "utf-8-sig", "cp037", "cp500", "shift-jis", "gbk", "klingon", "latin.1", "ascii\u00e9x"} {
		if e, err := LookupEncoding(name); err == nil || !strings.Contains(err.Error(), "utf-8") {
			t.Errorf("LookupEncoding(%q) is %s, %v, want an error that says what there is", name, e.Name(), err)
		}
	}
	if e, err := LookupEncoding("ASCII"); err != nil || e != (Encoding{}) {
		t.Errorf("ascii is not the zero Encoding: %v, %v", e, err)
	}
	if encoding(t, "L1") != encoding(t, "iso8859_1") {
		t.Error("two names of an encoding give different values")
	}
}

// Verifies: SERPY-10, SERPY-15
func TestEncodings(t *testing.T) {
	for _, test := range []struct{ name, text, bytes string }{
		{"ascii", "hello\x00\x7f", "hello\x00\x7f"},
		{"latin-1", "h\u00e9\u0080\u00ff", "h\xe9\x80\xff"},
		{"utf-8", "hé€😀\ufffd\x00", "hé€😀\ufffd\x00"},
		{"cp1252", "€‚Œž…“”—", "\x80\x82\x8c\x9e\x85\x93\x94\x97"},
		{"iso-8859-15", "€ŠšŽžŒœŸ", "\xa4\xa6\xa8\xb4\xb8\xbc\xbd\xbe"},
		{"cp437", "Çü█☺"[:len("Çü█")], "\x80\x81\xdb"},
		{"cp850", "Çø×", "\x80\x9b\x9e"},
		{"koi8-r", "привет, МИР", "\xd0\xd2\xc9\xd7\xc5\xd4, \xed\xe9\xf2"},
		{"cp1251", "привет", "\xef\xf0\xe8\xe2\xe5\xf2"},
		{"mac-roman", "Äé€", "\x80\x8e\xdb"},
		{"iso8859-7", "αβγ", "\xe1\xe2\xe3"},
		{"koi8-u", "їґ", "\xa7\xad"},
	} {
		e := encoding(t, test.name)
		got, err := e.Encode([]byte("x"), []byte(test.text))
		if err != nil || string(got) != "x"+test.bytes {
			t.Errorf("%s: Encode(%q) = %q, %v, want %q", test.name, test.text, got, err, test.bytes)
		}
		back, err := e.Decode([]byte("x"), []byte(test.bytes))
		if err != nil || string(back) != "x"+test.text {
			t.Errorf("%s: Decode(%q) = %q, %v, want %q", test.name, test.bytes, back, err, test.text)
		}
	}
}

// Verifies: SERPY-16
func TestEncodingErrors(t *testing.T) {
	for _, test := range []struct{ name, text, says string }{
		{"ascii", "héé", "'é', character 1 of the text, is not in ascii"},
		{"latin-1", "ÄÖ€", "'€', character 2 of the text, is not in iso8859-1"},
		{"cp1252", "a\u0081", "'\\u0081', character 1 of the text, is not in cp1252"},
		{"cp437", "☺", "'☺', character 0 of the text, is not in cp437"},
		{"koi8-r", "я😀", "'😀', character 1"},
		{"utf-8", "é\xffz", "byte FF at offset 2"},
		{"ascii", "a\xc3", "byte C3 at offset 1"},
		{"cp1252", "é\xed\xa0\x80", "byte ED at offset 2"},
	} {
		out, err := encoding(t, test.name).Encode([]byte("x"), []byte(test.text))
		if !errors.Is(err, wire.ErrNotRepresentable) || string(out) != "x" || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: Encode(%q) = %q, %v, want ErrNotRepresentable with %q", test.name, test.text, out, err, test.says)
		}
	}
	for _, test := range []struct{ name, bytes, says string }{
		{"ascii", "a\x80", "byte 80 at offset 1 is not ascii"},
		{"cp1252", "ab\x81", "byte 81 at offset 2 is not cp1252"},
		{"cp1252", "\x8d", "byte 8D"}, {"cp1252", "\x8f", "byte 8F"}, {"cp1252", "\x90", "byte 90"}, {"cp1252", "\x9d", "byte 9D"},
		{"utf-8", "é\xc3", "byte C3 at offset 2 is not utf-8"},
		{"utf-8", "\xed\xa0\x80", "byte ED at offset 0"},
		{"utf-8", "\xc0\x80", "byte C0 at offset 0"},
	} {
		out, err := encoding(t, test.name).Decode([]byte("x"), []byte(test.bytes))
		if err == nil || string(out) != "x" || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: Decode(%q) = %q, %v, want an error with %q", test.name, test.bytes, out, err, test.says)
		}
	}
}

// names prints, for every name of a text encoding that this Python has, the
// encoding's name and the code points of its 256 bytes, -1 where there is
// none; no code points if it is not an encoding of one byte per character that
// extends ASCII one to one.
const names = `
import codecs, encodings, json, pkgutil
from encodings.aliases import aliases

def points(name):
    if codecs.lookup(name).name == 'utf-8':
        return []
    all = []
    for b in range(256):
        try:
            text = bytes([b]).decode(name)
            if len(text) != 1 or text.encode(name) != bytes([b]) or b < 128 and ord(text) != b:
                return None
            all.append(ord(text))
        except UnicodeDecodeError:
            all.append(-1)
        except UnicodeError:
            return None
    if -1 in all[:128]:
        return None
    if len(every.encode(name, 'ignore')) != 256 - all.count(-1):
        return None # it has characters of several bytes
    return all

every = ''.join(chr(c) for c in range(0x10000) if not 0xD800 <= c < 0xE000)
cache = {}
found = {}
for name in sorted(set(aliases) | {m.name for m in pkgutil.iter_modules(encodings.__path__)}):
    try:
        info = codecs.lookup(name)
    except LookupError:
        continue
    if info._is_text_encoding and name not in ('charmap', 'idna', 'punycode', 'undefined', 'raw_unicode_escape', 'unicode_escape', 'mbcs', 'oem'):
        if info.name not in cache:
            cache[info.name] = points(name)
        found[name] = [info.name, cache[info.name]]
print(json.dumps(found))
`

// Every encoding, every name of it and every byte is Python's.
//
// Verifies: SERPY-15
func TestEncodingsAreThoseOfPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 to compare with; TestEncodings has some of the same facts")
	}
	out, err := exec.Command(python, "-c", names).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found map[string][2]json.RawMessage
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for name, f := range found {
		var canonical string
		var points []rune
		if err := errors.Join(json.Unmarshal(f[0], &canonical), json.Unmarshal(f[1], &points)); err != nil {
			t.Fatal(err)
		}
		e, err := LookupEncoding(name)
		if points == nil {
			if err == nil {
				t.Errorf("%s is here %s; in Python it is %s, which does not extend ASCII one to one", name, e.Name(), canonical)
			}
			continue
		}
		if err != nil || e.Name() != canonical {
			t.Errorf("%s is here %s, %v, in Python %s", name, e.Name(), err, canonical)
			continue
		}
		known[canonical] = true
		for b, r := range points {
			text, err := e.Decode(nil, []byte{byte(b)})
			if r < 0 {
				if err == nil {
					t.Errorf("%s: byte %02X is %q, and nothing in Python", name, b, text)
				}
				continue
			}
			back, err2 := e.Encode(nil, text)
			if string(text) != string(r) || len(back) != 1 || back[0] != byte(b) {
				t.Errorf("%s: byte %02X is %q, %v and back % X, %v, in Python %q", name, b, text, err, back, err2, r)
			}
		}
	}
	if len(known) < 50 {
		t.Errorf("only %d encodings were compared", len(known))
	}
}

// Every byte beyond ASCII is found, wherever it stands.
func TestASCIILen(t *testing.T) {
	for size := range 140 {
		p := bytes.Repeat([]byte{0x7F}, size)
		if n := asciiLen(p); n != size {
			t.Errorf("%d of %d bytes 7F are ASCII", n, size)
		}
		for i := range p {
			p[i] = 0x80
			if n := asciiLen(p); n != i {
				t.Errorf("byte 80 at %d of %d is found at %d", i, size, n)
			}
			p[i] = 0x7F
		}
	}
}
