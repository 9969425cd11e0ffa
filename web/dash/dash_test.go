package dash_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-net/parley/web/dash"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	return w
}

// Verifies: WEB-19
func TestPagesAreServedUnderAStrictPolicy(t *testing.T) {
	h := dash.Handler(dash.Info{Version: "v1", Pages: []dash.Page{dash.Overview}, Door: true})
	for path, want := range map[string]string{
		"/": "text/html", "/dash/app.js": "javascript", "/dash/dash.css": "text/css", "/dash/icon.svg": "image/svg", "/info": "application/json",
	} {
		w := get(t, h, path)
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		p := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(p, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: %q", path, p)
		}
	}
	for _, path := range []string{"/dash/", "/dash/index.html", "/dash/nothing.js", "/dash/../dash.go", "/other"} {
		if w := get(t, h, path); w.Code == 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if got := get(t, h, "/info").Body.String(); !strings.Contains(got, `"pages":["overview"],"door":true,"servers":false`) {
		t.Error(got)
	}
}

// Every page that a program may name has its module, and nothing in the pages is inline or
// comes from elsewhere.
//
// Verifies: WEB-19
func TestNothingInline(t *testing.T) {
	for _, p := range []dash.Page{dash.Overview, dash.Connections, dash.Messages, dash.Plot, dash.Camera, dash.Console, dash.Recordings, dash.Transfers, dash.Rooms} {
		if _, err := os.Stat("files/" + string(p) + ".js"); err != nil {
			t.Error(err)
		}
	}
	inline := regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|https?://|innerHTML|\beval\(|new Function`)
	for _, name := range []string{"index.html", "app.js", "dom.js", "overview.js", "connections.js", "messages.js", "plot.js", "camera.js", "console.js", "recordings.js", "transfers.js", "rooms.js"} {
		b, err := os.ReadFile("files/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "index.html" || strings.HasSuffix(name, ".js") {
			if at := inline.FindIndex(b); at != nil {
				t.Errorf("%s: %q", name, b[at[0]:min(len(b), at[1]+40)])
			}
		}
	}
}

// What a browser has to fetch: the whole dashboard within 80 KB, parley.js within 3 KB.
//
// Verifies: WEB-20
func TestSizes(t *testing.T) {
	packed := func(b []byte) int {
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b)
		w.Close()
		return out.Len()
	}
	all := 0
	err := fs.WalkDir(os.DirFS("files"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "LICENSE") {
			return err
		}
		b, err := os.ReadFile("files/" + name)
		all += packed(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	library, err := os.ReadFile("../parley.js")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("parley.js %d bytes, the dashboard %d", packed(library), all)
	if n := packed(library); n > 3000 {
		t.Errorf("parley.js has %d bytes", n)
	}
	if all > 80_000 {
		t.Errorf("the dashboard has %d bytes", all)
	}
}
