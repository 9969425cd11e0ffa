package transfer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The types of letters.
const (
	typeUpload    = "upload-request"
	typeDownload  = "download-request"
	typeOffer     = "download-confirmation"
	typeConfirmed = "confirmed"
	typeRejected  = "rejected"
	typeClose     = "close"
	// Those the originals do not know, which are sent only to who has said that
	// it does; see Folders.
	typeList  = "list-request"
	typeEntry = "entry"
	typePack  = "pack-request"
	typeFile  = "file"
	typeFiles = "files-request"
	typeFlush = "flush"
	typeEnd   = "end"
)

// The keys inside a letter.
const (
	keySize        = "file_size"
	keyDestination = "destination_path"
	keySource      = "download_path"
	keyReason      = "reason"
	// Those the originals do not know.
	keyResume = "resume"
	keyOffset = "offset"
	keyDigest = "sha256"
	keyMeta   = "meta"
	keyMode   = "mode"
	keyTime   = "mtime"
	keyMany   = "folders"
	keyPath   = "path"
	keyDir    = "dir"
	keyDeep   = "recursive"
	keyKeep   = "keep"
	keyCount  = "count"
)

// field is one key of a letter; its value is an int64, a string, a digest or
// true.
type field struct {
	key   string
	value any
}

// digest is a SHA-256.
type digest []byte

// newLetter returns the bytes of a letter.
func newLetter(kind string, fields ...field) []byte {
	b := append([]byte(`{"type":`), appendText(nil, kind)...)
	b = append(b, `,"letter":{`...)
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, f.key), ':')
		switch v := f.value.(type) {
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = appendText(b, v)
		case digest:
			b = appendText(b, hex.EncodeToString(v))
		case bool:
			b = strconv.AppendBool(b, v)
		}
	}
	return append(b, "}}"...)
}

// letter is a letter that was read.
type letter struct {
	kind string
	body map[string]json.RawMessage
}

// readLetter reads a message of size bytes that has to be a letter.
func readLetter(size int64, r io.Reader) (letter, error) {
	if size > MaxLetter {
		return letter{}, refusef("a message of %d bytes where a letter was due, which has %d at most", size, MaxLetter)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return letter{}, err
	}
	return parseLetter(b)
}

// parseLetter reads a letter. The error is a refusal that quotes what came.
func parseLetter(b []byte) (letter, error) {
	var outer map[string]json.RawMessage
	text, err := utf8Text(b)
	if err == nil {
		err = json.Unmarshal(text, &outer)
	}
	if err == nil && (outer["type"] == nil || outer["letter"] == nil) {
		err = errors.New(`"type" or "letter" is missing`)
	}
	if err != nil {
		return letter{}, refusef("%.40q is no letter of tpft: %v", b, err)
	}
	var l letter
	l.kind, _ = textValue(outer["type"])         // no text: an unknown type
	_ = json.Unmarshal(outer["letter"], &l.body) // no object: a letter without keys
	return l, nil
}

// confirms reports whether the letter is a confirmation. As with the original
// a download-confirmation is one too.
func (l letter) confirms() bool { return l.kind == typeConfirmed || l.kind == typeOffer }

// has reports whether the letter has key.
func (l letter) has(key string) bool { return l.body[key] != nil }

// flag reports whether key is true.
func (l letter) flag(key string) bool { return string(bytes.TrimSpace(l.body[key])) == "true" }

// count returns a number of bytes.
func (l letter) count(key string) (int64, error) {
	raw := bytes.TrimSpace(l.body[key])
	if raw == nil {
		return 0, refusef("%s is missing", key)
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, refusef("%s %.40s is out of range", key, raw)
	case err != nil:
		return 0, refusef("%s is %.40s, which is no whole number of bytes", key, raw)
	case n < 0:
		return 0, refusef("%s is negative: %d", key, n)
	}
	return n, nil
}

// text returns a text.
func (l letter) text(key string) (string, error) {
	raw := l.body[key]
	if raw == nil {
		return "", refusef("%s is missing", key)
	}
	s, err := textValue(raw)
	if err != nil {
		return "", refusef("%s %v", key, err)
	}
	return s, nil
}

// digest returns a SHA-256.
func (l letter) digest() (digest, error) {
	s, err := l.text(keyDigest)
	if err != nil {
		return nil, err
	}
	d, err := hex.DecodeString(s)
	if err != nil || len(d) != 32 {
		return nil, refusef("%s is %.40q, want 64 hexadecimal digits", keyDigest, s)
	}
	return d, nil
}

// rejection returns the reason of a rejection.
func (l letter) rejection() string {
	if s, err := l.text(keyReason); err == nil && s != "" {
		return s
	}
	return fmt.Sprintf("no reason given (%.40q)", l.kind)
}
