package archive

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

func create(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "lab.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

const sample = `{"ts":0.001200,"conn":1,"event":"open","proto":"oneline"}
{"ts":0.002000,"conn":1,"dir":"c2s","kind":"text","text":"*IDN? <&> größe"}
{"ts":0.015100,"conn":1,"dir":"s2c","kind":"bytes","b64":"AP8=","mode":2}
{"ts":0.015100,"conn":1,"dir":"s2c","kind":"bytes","b64":""}
{"ts":0.020000,"conn":2,"dir":"s2c","kind":"object","json":{"a":[1,2.5,null]},"mode":5,"pickle":"gAVLBS4="}
{"ts":0.030000,"conn":1,"dir":"s2c","kind":"text","text":"","invalid":true,"note":"odd"}
{"ts":0.040000,"conn":1,"dir":"c2s","event":"lost","error":"too large"}
{"ts":3600.000000,"conn":1,"dir":"c2s","event":"leave"}
`

// A recording comes out of the store byte for byte, whoever has written it.
//
// Verifies: STORE-01
func TestByteEqual(t *testing.T) {
	db := create(t)
	files := map[string]string{
		"a recorder's": sample,
		"a person's":   "\n\n" + `{ "dir":"c2s",  "text":"1" }` + "\r\n" + `{"text":"2","dir":"s2c","ts":5}` + "\n\n" + `{"dir":"in","text":"3"}` + "\n\n\n",
		"no end":       strings.TrimSuffix(sample, "\n"),
		"--json":       `{"ts":"2026-11-20T10:37:01.5Z","conn":3,"dir":"out","proto":"oneline","kind":"text","len":1,"text":"c"}` + "\n",
		"large":        `{"ts":0.000000,"conn":1,"dir":"c2s","kind":"text","text":"` + strings.Repeat("x", 200_000) + `"}` + "\n",
	}
	for name, file := range files {
		session, _, err := Import(t.Context(), db, name, strings.NewReader(file), time.Now())
		if err != nil {
			t.Fatal(name, err)
		}
		var out bytes.Buffer
		if err := Export(t.Context(), db, session, "jsonl", &out); err != nil {
			t.Fatal(name, err)
		}
		if out.String() != file {
			t.Errorf("%s: got %.200q, want %.200q", name, out.String(), file)
		}
	}
}

// Where the file has points in time they count, else the end of the file does.
func TestTimes(t *testing.T) {
	db := create(t)
	end := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for file, want := range map[string]time.Time{
		sample: end.Add(-time.Hour),
		`{"ts":"2026-11-20T10:37:01.5Z","dir":"out","text":"c"}`: time.Date(2026, 11, 20, 10, 37, 1, 5e8, time.UTC),
	} {
		session, _, err := Import(t.Context(), db, "x", strings.NewReader(file), end)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := db.Session(t.Context(), session); err != nil || !s.Began.Equal(want) || s.Source != "import" {
			t.Errorf("%+v, %v, want %v", s, err, want)
		}
	}
}

// A file with a mistake leaves nothing behind; an unfinished last line is left out.
func TestBadFiles(t *testing.T) {
	db := create(t)
	for _, bad := range []string{"", "\n\n", "hello\n", sample + "{\"dir\":\"up\"}\n"} {
		if _, _, err := Import(t.Context(), db, "x", strings.NewReader(bad), time.Now()); err == nil {
			t.Errorf("%.40q was imported", bad)
		}
	}
	if all, _ := db.Sessions(t.Context()); len(all) != 0 {
		t.Errorf("%d sessions are there", len(all))
	}
	session, n, err := Import(t.Context(), db, "x", strings.NewReader(sample+`{"ts":1.0`), time.Now())
	if !errors.As(err, new(*recording.UnfinishedError)) || n != 8 {
		t.Fatal(n, err)
	}
	var out bytes.Buffer
	if err := Export(t.Context(), db, session, "jsonl", &out); err != nil || out.String() != sample {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// Verifies: STORE-10
func TestExports(t *testing.T) {
	db := create(t)
	session, _, err := Import(t.Context(), db, "x", strings.NewReader(sample), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Export(t.Context(), db, session, "csv", &out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 9 || rows[2][7] != "*IDN? <&> größe" || rows[3][7] != "AP8=" || rows[3][8] != "base64" || rows[5][7] != `{"a":[1,2.5,null]}` {
		t.Errorf("%q, %v", rows, err)
	}
	out.Reset()
	if err := Export(t.Context(), db, session, "pcapng", &out); err != nil || !bytes.Contains(out.Bytes(), []byte("*IDN?")) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if err := Export(t.Context(), db, session, "npy", &out); err == nil || !strings.Contains(err.Error(), "no array") {
		t.Error(err)
	}
	if err := Export(t.Context(), db, session, "xml", &out); err == nil || !strings.Contains(err.Error(), "jsonl, csv, pcapng, npy") {
		t.Error(err)
	}
	if err := Export(t.Context(), db, 9, "csv", &out); !errors.Is(err, store.ErrNoSession) {
		t.Error(err)
	}
}

// Numbers become an array that NumPy, where it is there, reads.
//
// Verifies: STORE-10
func TestNumbers(t *testing.T) {
	db := create(t)
	const file = `{"ts":0.5,"dir":"s2c","text":"1.5, -2e3"}
{"ts":1.0,"dir":"c2s","text":"MEAS?"}
{"ts":1.5,"dir":"s2c","text":"3,4"}
`
	session, _, err := Import(t.Context(), db, "x", strings.NewReader(file), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.npy")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Export(t.Context(), db, session, "npy", f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	b, err := os.ReadFile(name)
	if err != nil || !bytes.HasPrefix(b, []byte("\x93NUMPY\x01\x00")) || len(b)%64 != 48 || !bytes.Contains(b, []byte("'shape': (2, 3)")) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import numpy").Run() != nil {
		t.Log("numpy: left out")
		return
	}
	out, err := exec.Command(python, "-c", "import numpy, sys; print(numpy.load(sys.argv[1]).tolist())", name).CombinedOutput()
	if string(out) != "[[0.5, 1.5, -2000.0], [1.5, 3.0, 4.0]]\n" || err != nil {
		t.Errorf("%s, %v", out, err)
	}
}

func TestFoundLine(t *testing.T) {
	db := create(t)
	if _, _, err := Import(t.Context(), db, "x", strings.NewReader(sample), time.Now()); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := db.Find(t.Context(), store.Query{Text: "größe"}, func(f store.Found) error {
		n++
		line, err := FoundLine(nil, &f)
		var got map[string]any
		if err != nil || json.Unmarshal(line, &got) != nil || got["session"] != 1.0 || got["text"] != "*IDN? <&> größe" || got["dir"] != "c2s" || got["conn"] != 1.0 {
			t.Errorf("%s, %v", line, err)
		}
		return nil
	}); err != nil || n != 1 {
		t.Error(n, err)
	}
}
