package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// plant writes files into dir: name and content.
func plant(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// itemsOf are the items to put a folder to the server as dest.
func itemsOf(t testing.TB, dir, dest string) []Item {
	t.Helper()
	items := []Item{{Remote: dest, Dir: true}}
	err := Walk(dir, func(e Entry) error {
		if e.Problem == "" {
			items = append(items, Item{Local: filepath.Join(dir, e.Path), Remote: dest + "/" + e.Path, Dir: e.IsDir(), Size: e.Size, Mode: e.Mode.Perm(), ModTime: e.ModTime})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return items
}

var someFiles = map[string]string{
	"a.txt": "a", "empty": "", "sub/b.txt": "bb", "sub/deep/c": strings.Repeat("c", maxSmall),
	"sub/large": strings.Repeat("large", maxSmall), "z": "z", "naïve \xff name": "odd",
}

// A folder goes there and back with its content, permissions and times, large files
// and small ones, and is what it was; when it is there, nothing changes.
//
// Verifies: TPFT-22
func TestManyThereAndBack(t *testing.T) {
	ts := serve(t, parley.Limits{MaxMessage: MaxLetter}, func(s *Server) { s.KeepExisting = true })
	from := t.TempDir()
	plant(t, from, someFiles)
	old := time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC)
	for _, name := range []string{"a.txt", "sub/large", "sub/deep"} {
		name = filepath.Join(from, name)
		if err := errors.Join(os.Chmod(name, 0o751), os.Chtimes(name, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	cl := ts.dial(t)
	if knows, err := cl.Many(soon(t)); !knows || err != nil {
		t.Fatal(knows, err)
	}
	items := itemsOf(t, from, "dest")
	called := make([]int, len(items))
	fine := func(i int, err error) {
		called[i]++
		if err != nil {
			t.Errorf("%+v: %v", items[i], err)
		}
	}
	if err := cl.UploadMany(soon(t), items, fine); err != nil {
		t.Fatal(err)
	}
	if slices.Min(called) != 1 || slices.Max(called) != 1 {
		t.Errorf("done was called %v times", called)
	}
	sameTrees(t, from, filepath.Join(ts.dir, "dest"))
	if err := cl.UploadMany(soon(t), items[:3], fine); err != nil { // the same again
		t.Fatal(err)
	}

	var listed []Entry
	if err := cl.List(soon(t), "dest", true, func(e Entry) error { listed = append(listed, e); return nil }); err != nil {
		t.Fatal(err)
	}
	back := t.TempDir()
	root := openRoot(t, back)
	var down []Item
	for _, e := range listed {
		local, _ := strings.CutPrefix(e.Path, "dest/")
		down = append(down, Item{Remote: e.Path, Local: local, Dir: e.IsDir(), Size: e.Size, Mode: e.Mode.Perm(), ModTime: e.ModTime})
	}
	called = make([]int, len(down))
	items = down
	if err := cl.DownloadMany(soon(t), root, down, fine); err != nil {
		t.Fatal(err)
	}
	if len(down) != len(someFiles)+2 || slices.Min(called) != 1 || slices.Max(called) != 1 {
		t.Errorf("%d items, done was called %v times", len(down), called)
	}
	sameTrees(t, from, back)
	for _, dir := range []string{back, ts.dir} {
		if left, _ := filepath.Glob(dir + "/*" + PartSuffix); left != nil {
			t.Errorf("left behind: %v", left)
		}
	}
}

// sameTrees compares two folders.
func sameTrees(t *testing.T, want, got string) {
	t.Helper()
	describe := func(dir string) (lines []string) {
		err := Walk(dir, func(e Entry) error {
			b, _ := os.ReadFile(filepath.Join(dir, e.Path))
			lines = append(lines, fmt.Sprintf("%q %v %v %x", e.Path, e.Mode, e.ModTime.UnixNano(), sha256.Sum256(b)))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return lines
	}
	if w, g := describe(want), describe(got); !slices.Equal(w, g) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

// One file that can't be written does not keep the others back; it is named, and
// what was there is as it was.
//
// Verifies: TPFT-22
func TestManyWithFailures(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.KeepExisting = true })
	plant(t, ts.dir, map[string]string{"there": "as it was", "same": "s", "afolder/x": ""})
	from := t.TempDir()
	plant(t, from, map[string]string{"there": "another", "same": "s", "afolder": "a file", "new": "n"})
	cl := ts.dial(t)
	var items []Item
	for _, name := range []string{"there", "same", "afolder", "missing", "new", "../out"} {
		items = append(items, Item{Local: filepath.Join(from, filepath.Base(name)), Remote: name})
	}
	got := make(map[string]string)
	if err := cl.UploadMany(soon(t), items, func(i int, err error) { got[items[i].Remote] = fmt.Sprint(err) }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"there": "is there already", "same": "<nil>", "afolder": "Is a directory", "missing": "no such file", "new": "<nil>", "../out": "no such file"} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(ts.dir, "there")); string(b) != "as it was" {
		t.Errorf("there is %q", b)
	}
	if b, _ := os.ReadFile(filepath.Join(ts.dir, "new")); string(b) != "n" {
		t.Errorf("new is %q", b)
	}

	// The same the other way.
	local := t.TempDir()
	plant(t, local, map[string]string{"there": "mine", "same": "s"})
	items = nil
	for _, name := range []string{"there", "same", "new", "nowhere", "afolder"} {
		items = append(items, Item{Local: name, Remote: name})
	}
	items = append(items, Item{Local: "../out", Remote: "new"})
	clear(got)
	err := cl.DownloadMany(soon(t), openRoot(t, local), items[:5], func(i int, err error) { got[items[i].Remote] = fmt.Sprint(err) })
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"there": "exists", "same": "<nil>", "new": "<nil>", "nowhere": "No such file", "afolder": "Is a directory"} {
		if !strings.Contains(got[name], want) {
			t.Errorf("download of %s: %s, want %s", name, got[name], want)
		}
	}
	if err := cl.DownloadMany(soon(t), openRoot(t, local), items[5:], func(i int, err error) { got["out"] = fmt.Sprint(err) }); err != nil || !strings.Contains(got["out"], "escapes") {
		t.Errorf("out of the folder: %v %s", err, got["out"])
	}
}

// A pack whose client goes leaves nothing behind.
//
// Verifies: TPFT-22
func TestPackIsCut(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	cl := ts.dial(t)
	ctx := soon(t)
	send := func(m parley.Message) {
		t.Helper()
		if err := cl.Conn.Send(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	send(parley.Bytes(newLetter(typePack)))
	if m, err := cl.Conn.Receive(ctx); err != nil || !strings.Contains(m.Text(), typeConfirmed) {
		t.Fatal(m, err)
	}
	for i := range 10 {
		send(packed(fileLetter(fmt.Sprint(i), &meta{0o600, time.Now()}, []byte("x")), []byte("x")))
	}
	cl.Conn.CloseNow()
	e := <-ts.ends
	if e.err == nil {
		t.Error("the pack is complete")
	}
	if left, _ := os.ReadDir(ts.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is damaged on the way, no letter, or none of a pack is refused.
//
// Verifies: TPFT-22
func TestPackRefuses(t *testing.T) {
	for name, message := range map[string][]byte{
		"damaged":   append(append(fileLetter("x", &meta{}, []byte("x")), '\n'), 'y'),
		"no digest": append(newLetter(typeFile, field{keyPath, "x"}), '\n', 'x'),
		"out":       append(append(fileLetter("../x", &meta{}, []byte("x")), '\n'), 'x'),
		"control":   append(append(fileLetter("a\x1b", &meta{}, []byte("x")), '\n'), 'x'),
		"garbage":   []byte("garbage"),
		"another":   newLetter(typeConfirmed),
	} {
		t.Run(name, func(t *testing.T) {
			ts := serve(t, parley.Limits{}, nil)
			cl := ts.dial(t)
			ctx := soon(t)
			for _, m := range [][]byte{newLetter(typePack), message, append(newLetter(typeFlush), '\n')} {
				if err := cl.Conn.Send(ctx, parley.Bytes(m)); err != nil {
					break
				}
			}
			refused := false
			for !refused {
				m, err := cl.Conn.Receive(ctx)
				if err != nil {
					break
				}
				refused = strings.Contains(m.Text(), `"rejected"`)
			}
			if !refused {
				t.Error("not refused")
			}
			cl.Conn.CloseNow()
			if left, _ := os.ReadDir(ts.dir); len(left) > 0 {
				t.Errorf("written: %v", left)
			}
		})
	}
}

// A server that takes no files takes no pack, and Allow is asked about each.
//
// Verifies: TPFT-22
func TestPackIsAllowed(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.Writable = false })
	plant(t, ts.dir, map[string]string{"a": "a"})
	err := ts.dial(t).UploadMany(soon(t), []Item{{Local: filepath.Join(ts.dir, "a"), Remote: "b"}}, func(int, error) {})
	if !errors.As(err, new(*RejectedError)) {
		t.Errorf("read-only: %v", err)
	}
	ts = serve(t, parley.Limits{}, func(s *Server) {
		s.Allow = func(_ *parley.Conn, t Transfer) error {
			if strings.Contains(t.Path, "secret") {
				return errors.New("that is secret")
			}
			return nil
		}
	})
	plant(t, ts.dir, map[string]string{"secret": "s", "open": "o"})
	cl := ts.dial(t)
	var names []string
	cl.List(soon(t), "", true, func(e Entry) error { names = append(names, e.Path); return nil })
	if !slices.Equal(names, []string{"open"}) {
		t.Errorf("listed: %v", names)
	}
	cl.DownloadMany(soon(t), openRoot(t, t.TempDir()), []Item{{Local: "x", Remote: "secret"}}, func(_ int, err error) {
		if err == nil || !strings.Contains(err.Error(), "that is secret") {
			t.Errorf("download: %v", err)
		}
	})
}

// An original server, and any that does not know the question, answers no.
//
// Verifies: TPFT-22
func TestManyIsAsked(t *testing.T) {
	cl := withScript(t, func(s script) {
		s.expect([]byte(`{"type":"download-request","letter":{"download_path":".parley.part","folders":true}}`))
		s.data([]byte(`{"type":"rejected","letter":{"reason":"[Errno 2] No such file or directory: '.parley.part'"}}`))
	})
	if knows, err := cl.Many(soon(t)); knows || err != nil {
		t.Error(knows, err)
	}
}

// Same tells files with the same content from others, many at a time.
//
// Verifies: TPFT-23
func TestSame(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	files := make(map[string]string)
	var names []string
	var known []Known
	for i := range 100 {
		name, content := fmt.Sprintf("f%02d", i), strings.Repeat("x", i*100)
		k := Known{int64(len(content)), sha256.Sum256([]byte(content))}
		switch i % 4 {
		case 1:
			k.Sum[0]++
		case 2:
			k.Size++
		case 3:
			name += "-missing"
		}
		if i%4 != 3 {
			files[name] = content
		}
		names, known = append(names, name), append(known, k)
	}
	plant(t, ts.dir, files)
	cl := ts.dial(t)
	same, err := cl.Same(soon(t), names, known)
	if err != nil {
		t.Fatal(err)
	}
	for i := range same {
		if same[i] != (i%4 == 0) {
			t.Errorf("%s: %v", names[i], same[i])
		}
	}
	if n, err := cl.Size(soon(t), "f04"); n != 400 || err != nil { // the conversation goes on
		t.Error(n, err)
	}
}

// Links are followed, but not round; those that lead nowhere are named.
//
// Verifies: TPFT-24
func TestWalkLinks(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	plant(t, dir, map[string]string{"a/x": "x", "b": "b"})
	plant(t, other, map[string]string{"o": "o"})
	for name, to := range map[string]string{"a/round": "..", "a/self": "self", "nowhere": "missing", "other": other, "file": "b"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip("no links here: ", err)
		}
	}
	var got []string
	if err := Walk(dir, func(e Entry) error { got = append(got, e.Path+": "+e.Problem); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []string{"a: ", "a/round: a link to a folder in which it is itself", "a/self: a link that can't be followed: too many levels of symbolic links",
		"a/x: ", "b: ", "file: ", "nowhere: a link that leads nowhere", "other: ", "other/o: "}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	// A server does not follow one that leads out of its folder.
	ts := serve(t, parley.Limits{}, nil)
	os.Symlink(other, filepath.Join(ts.dir, "out"))
	got = nil
	ts.dial(t).List(soon(t), ".", true, func(e Entry) error { got = append(got, e.Path+": "+e.Problem); return nil })
	if len(got) != 1 || !strings.HasPrefix(got[0], "out: a link that can't be followed") {
		t.Errorf("%q", got)
	}
}
