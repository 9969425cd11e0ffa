package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-net/parley"
)

// The bytes of the extension, and that it compares the whole file.
//
// Verifies: TPFT-15
func TestExtensionServer(t *testing.T) {
	const (
		empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		abc   = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	)
	ts := serve(t, parley.Limits{}, nil)
	s := ts.dialScript(t)
	up := []byte(`{"type":"upload-request","letter":{"file_size":3,"destination_path":"f","resume":true}}`)
	s.data(up)
	s.expect([]byte(`{"type":"confirmed","letter":{"offset":0,"sha256":"` + empty + `"}}`))
	s.data([]byte(`{"type":"confirmed","letter":{"offset":0}}`))
	s.data([]byte("abc"))
	s.data([]byte(`{"type":"confirmed","letter":{"sha256":"` + abc + `"}}`))
	s.expect([]byte(`{"type":"confirmed","letter":{}}`))
	if e := ts.end(t); e.err != nil {
		t.Error(e.err)
	}
	sameFile(t, ts.path("f"), []byte("abc"))

	// Damaged on the way.
	s.data(up)
	s.expect([]byte(`{"type":"confirmed","letter":{"offset":0,"sha256":"` + empty + `"}}`))
	s.data([]byte(`{"type":"confirmed","letter":{"offset":0}}`))
	s.data([]byte("aBc"))
	s.data([]byte(`{"type":"confirmed","letter":{"sha256":"` + abc + `"}}`))
	s.expect(newLetter(typeRejected, field{keyReason, ts.end(t).err.Error()}))
	tree(t, ts.dir, "f", "f"+PartSuffix)
	sameFile(t, ts.path("f"), []byte("abc"))

	// Given up by the client at every turn; the connection goes on.
	refusal := []byte(`{"type":"rejected","letter":{"reason":"no"}}`)
	os.Remove(ts.path("f" + PartSuffix))
	s.data(up)
	s.expect([]byte(`{"type":"confirmed","letter":{"offset":0,"sha256":"` + empty + `"}}`))
	s.data(refusal)
	s.data(up)
	s.expect([]byte(`{"type":"confirmed","letter":{"offset":0,"sha256":"` + empty + `"}}`))
	s.data([]byte(`{"type":"confirmed","letter":{"offset":0}}`))
	s.data([]byte("abc"))
	s.data(refusal)
	down := []byte(`{"type":"download-request","letter":{"download_path":"f","offset":3,"sha256":"` + abc + `"}}`)
	s.data(down)
	s.expect([]byte(`{"type":"download-confirmation","letter":{"file_size":3,"offset":3}}`))
	s.data(refusal)
	s.data(down)
	s.expect([]byte(`{"type":"download-confirmation","letter":{"file_size":3,"offset":3}}`))
	s.data([]byte(`{"type":"confirmed","letter":{}}`))
	s.expect([]byte(`{"type":"confirmed","letter":{"sha256":"` + abc + `"}}`))
	s.data(refusal)
	for range 4 {
		if e := ts.end(t); !rejectedWith("no")(e.err) {
			t.Errorf("the transfer ends with %v", e.err)
		}
	}
	s.data([]byte(`{"type":"download-request","letter":{"download_path":"f","offset":0,"sha256":"` + abc + `"}}`))
	s.expect([]byte(`{"type":"download-confirmation","letter":{"file_size":3,"offset":0}}`))
	s.data([]byte(`{"type":"confirmed","letter":{}}`))
	s.expect([]byte("abc"))
	s.expect([]byte(`{"type":"confirmed","letter":{"sha256":"` + abc + `"}}`))
	s.data([]byte(`{"type":"confirmed","letter":{}}`))
	if e := ts.end(t); e.err != nil {
		t.Error(e.err)
	}
}

// Letters that make no sense in the middle of a transfer.
//
// Verifies: TPFT-18
func TestBadExtensionLetters(t *testing.T) {
	for name, play := range map[string]func(s script) string{
		"offset too large": func(s script) string {
			s.letter(typeConfirmed, field{keyOffset, int64(3)})
			return "offset 3, want 0 or 2"
		},
		"no offset": func(s script) string {
			s.letter(typeConfirmed)
			return "offset is missing"
		},
		"no letter": func(s script) string {
			s.data([]byte("data"))
			return `"data" is no letter of tpft: invalid character 'd' looking for beginning of value`
		},
		"no hash": func(s script) string {
			s.letter(typeConfirmed, field{keyOffset, int64(2)})
			s.data([]byte("c"))
			s.letter(typeConfirmed)
			return "sha256 is missing"
		},
		"too much": func(s script) string {
			s.letter(typeConfirmed, field{keyOffset, int64(2)})
			s.data([]byte("cd"))
			return "a message of 2 bytes where 1 were left of the file"
		},
	} {
		t.Run(name, func(t *testing.T) {
			ts := serve(t, parley.Limits{}, nil)
			write(t, ts.path("f"+PartSuffix), []byte("ab"))
			s := ts.dialScript(t)
			s.letter(typeUpload, field{keySize, int64(3)}, field{keyDestination, "f"}, field{keyResume, true})
			if _, err := s.conn.Receive(soon(t)); err != nil {
				t.Fatal(err)
			}
			reason := play(s)
			s.expect(newLetter(typeRejected, field{keyReason, reason}))
			if e := ts.end(t); e.err == nil {
				t.Error("the transfer is complete")
			}
			tree(t, ts.dir, "f"+PartSuffix)
		})
	}
}

// Verifies: TPFT-13, TPFT-15, TPFT-18
func TestClientChecks(t *testing.T) {
	right := newHash()
	right.Write([]byte("abc"))
	sum := digest(right.Sum(nil))
	offer := func(s script, fields ...field) {
		if _, err := s.conn.Receive(soon(s.t)); err != nil {
			s.t.Error(err)
		}
		s.letter(typeOffer, fields...)
	}
	confirmed := newLetter(typeConfirmed)
	for name, tt := range map[string]struct {
		play func(s script)
		err  string // "": none
		left []string
	}{
		"sound": {func(s script) {
			offer(s, field{keySize, int64(3)}, field{keyOffset, int64(0)})
			s.expect(confirmed)
			s.data([]byte("ab"))
			s.data(nil)
			s.data([]byte("c"))
			s.letter(typeConfirmed, field{keyDigest, sum})
			s.expect(confirmed)
			s.expect(newLetter(typeClose))
		}, "", []string{"f"}},
		"damaged": {func(s script) {
			offer(s, field{keySize, int64(3)}, field{keyOffset, int64(0)})
			s.expect(confirmed)
			s.data([]byte("abC"))
			s.letter(typeConfirmed, field{keyDigest, sum})
			if m, err := s.conn.Receive(soon(s.t)); err != nil || !strings.Contains(m.Text(), "arrived damaged") {
				s.t.Errorf("%q, %v", m.Text(), err)
			}
		}, "the file arrived damaged", []string{"f" + PartSuffix}},
		"no hash": {func(s script) {
			offer(s, field{keySize, int64(0)}, field{keyOffset, int64(0)})
			s.expect(confirmed)
			s.letter(typeConfirmed)
			s.expect(newLetter(typeRejected, field{keyReason, "sha256 is missing"}))
		}, "sha256 is missing", nil},
		"changed": {func(s script) {
			offer(s, field{keySize, int64(3)}, field{keyOffset, int64(0)})
			s.expect(confirmed)
			s.data([]byte("abc"))
			s.letter(typeRejected, field{keyReason, "it changed"})
		}, "rejected: it changed", []string{"f" + PartSuffix}},
		"no size": {func(s script) {
			offer(s)
			s.expect(newLetter(typeRejected, field{keyReason, "file_size is missing"}))
		}, "file_size is missing", nil},
		"negative size": {func(s script) {
			offer(s, field{keySize, int64(-1)})
			s.expect(newLetter(typeRejected, field{keyReason, "file_size is negative: -1"}))
		}, "file_size is negative", nil},
		"odd offset": {func(s script) {
			offer(s, field{keySize, int64(3)}, field{keyOffset, int64(1)})
			s.expect(newLetter(typeRejected, field{keyReason, "offset 1, want 0 or 0"}))
		}, "offset 1, want 0 or 0", nil},
		"no letter": {func(s script) {
			if _, err := s.conn.Receive(soon(s.t)); err != nil {
				s.t.Error(err)
			}
			s.data([]byte("data"))
		}, `"data" is no letter of tpft`, nil},
		"gone": {func(s script) {
			offer(s, field{keySize, int64(3)})
			s.expect(confirmed)
			s.data([]byte("ab"))
			s.conn.Close()
		}, "the peer closed the connection", []string{"f" + PartSuffix}},
	} {
		t.Run(name, func(t *testing.T) {
			cl := withScript(t, tt.play)
			dir := t.TempDir()
			err := cl.Download(soon(t), "f", filepath.Join(dir, "f"))
			if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
			tree(t, dir, tt.left...)
			cl.Close()
		})
	}
}

// Verifies: TPFT-13
func TestUploadChecks(t *testing.T) {
	cl := withScript(t, func(s script) {
		s.conn.Receive(soon(s.t))
		s.letter(typeConfirmed, field{keyOffset, int64(-5)}, field{keyDigest, "x"})
		s.conn.Receive(soon(s.t))
	})
	if err := cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "f"); err == nil || !strings.Contains(err.Error(), "offset is negative") {
		t.Error(err)
	}
	if cl.Conn.Err() == nil {
		t.Error("the connection goes on")
	}
}
