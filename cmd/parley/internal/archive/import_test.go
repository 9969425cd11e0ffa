package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/recording"
)

// longFile is a recording of n entries, which is nowhere as a whole.
type longFile struct {
	n, at int
	rest  []byte
	most  uint64 // of the heap, while it was read
}

func (f *longFile) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.at == f.n {
			return 0, io.EOF
		}
		f.at++
		f.rest = fmt.Appendf(nil, "{\"ts\":%d,\"conn\":1,\"dir\":\"c2s\",\"kind\":\"text\",\"text\":%q}\n", f.at, strings.Repeat("y", 4000))
		if f.at%1000 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			f.most = max(f.most, m.HeapAlloc)
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *longFile) Seek(int64, int) (int64, error) {
	f.at, f.rest = 0, nil
	return 0, nil
}

// A file is not in memory while it is imported.
func TestImportOfALongFile(t *testing.T) {
	db := create(t)
	f := &longFile{n: 4_000} // 16 MB
	_, n, err := Import(t.Context(), db, "long", f, time.Now())
	if err != nil || n != int64(f.n) {
		t.Fatal(n, err)
	}
	t.Logf("measured: %d bytes were held", f.most)
	if f.most > 12<<20 {
		t.Errorf("%d bytes were held", f.most)
	}
}

// changing is a file that is another one when it is read again.
type changing struct {
	*strings.Reader
	then string
}

func (c *changing) Seek(int64, int) (int64, error) {
	c.Reader = strings.NewReader(c.then)
	return 0, nil
}

// A file that grows while it is imported, as one that is being recorded does, is taken as it
// was; one that has become shorter, or another one, is told with the session that has its
// beginning.
func TestImportOfAChangingFile(t *testing.T) {
	db := create(t)
	lines := strings.SplitAfter(strings.TrimSuffix(sample, "\n")+"\n", "\n")
	for name, then := range map[string]struct {
		file string
		n    int64
		ok   bool
	}{
		"grown":   {sample + lines[0], 8, true},
		"cut":     {strings.Join(lines[:3], ""), 3, false},
		"half":    {strings.Join(lines[:3], "") + `{"ts":`, 3, false},
		"another": {lines[0] + "hello\n", 1, false},
		"gone":    {"", 0, false},
	} {
		session, n, err := Import(t.Context(), db, "x", &changing{strings.NewReader(sample), then.file}, time.Now())
		if n != then.n || (err == nil) != then.ok || err != nil && !strings.Contains(err.Error(), "x has changed while it was read") {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		var out bytes.Buffer
		if err := Export(context.Background(), db, session, "jsonl", &out); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if all, err := recording.Read("out", &out); err != nil || int64(len(all)) != n && n > 0 {
			t.Errorf("%s: %d entries, %v", name, len(all), err)
		}
	}
}
