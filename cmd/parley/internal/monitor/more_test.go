package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/transfer"
)

// A connection ends with its reason, and its address is refused for a while.
//
// Verifies: WEB-22
func TestCloseWithReasonAndBan(t *testing.T) {
	m, addr, web := watched(t)
	c := dial(t, addr)
	if _, err := c.Call(t.Context(), parley.Text("hello")); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"id=1&ban=x", "id=1&ban=-1", "id=1&ban=1e9", "id=1&reason=" + strings.Repeat("x", 2000)} {
		if code := post(t, web, "/close?"+query); code != 400 {
			t.Errorf("%.40s: %d", query, code)
		}
	}
	if code := post(t, web, "/close?id=1&reason=too%20loud&ban=3600"); code != 200 {
		t.Fatal(code)
	}
	<-c.Done()
	for len(conns(t, web, "?state=closed").Connections) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("it is not noted")
		}
	}
	if r := conns(t, web, "?state=closed").Connections[0]; r.Reason != "closed on request: too loud" {
		t.Errorf("%+v", r)
	}
	back := dial(t, addr) // the greeting comes before it is looked at
	if _, err := back.Call(t.Context(), parley.Text("hello")); err == nil {
		t.Error("a refused address is served")
	}
	m.bans.mu.Lock()
	m.bans.all = nil
	m.bans.mu.Unlock()
	if _, err := dial(t, addr).Call(t.Context(), parley.Text("hello")); err != nil {
		t.Error(err)
	}
}

// Verifies: WEB-22
func TestMetrics(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		switch m.Text() {
		case "panic":
			panic("on purpose")
		case "error":
			return errors.New("on purpose")
		}
		return c.Send(ctx, m)
	})}
	m := New("v1")
	m.Watch(srv).URL = "tinyproto://here"
	broken := error(nil)
	m.Check(func() error { return broken })
	addr := parleytest.NewServer(t, srv)
	web := httptest.NewServer(m.Handler())
	defer web.Close()
	for _, text := range []string{"a", "b", "panic", "error"} {
		c := dial(t, addr)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := c.Call(ctx, parley.Text(text))
		cancel()
		if (err == nil) != (len(text) == 1) {
			t.Errorf("%s: %v", text, err)
		}
		<-func() <-chan struct{} { c.Close(); return c.Done() }()
	}
	var text string
	began := time.Now()
	for _, want := range []string{
		`parley_handler_seconds_count{url="tinyproto://here"} 4`, `parley_handler_seconds_bucket{url="tinyproto://here",le="+Inf"} 4`, "# TYPE parley_handler_seconds histogram",
		`parley_confirm_seconds_count{url="tinyproto://here"} 2`, `parley_panics_total{url="tinyproto://here"} 1`, `parley_handler_errors_total{url="tinyproto://here"} 1`,
		"parley_ready 1", "# TYPE go_goroutines gauge", "# TYPE process_start_time_seconds gauge", "# TYPE parley_messages_received_total counter",
	} {
		for text = get(t, web, "/metrics", 200); !strings.Contains(text, want+"\n"); text = get(t, web, "/metrics", 200) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("no %s in\n%s", want, text)
			}
		}
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil && !strings.Contains(text, "\nprocess_resident_memory_bytes ") {
		t.Error("no process_resident_memory_bytes")
	}
	for accept, open := range map[string]bool{
		"": false, "*/*": false, "text/plain": false,
		"application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5": true,
		"application/openmetrics-text;q=0.2,text/plain;q=0.5":                              false,
		"application/openmetrics-text; version=9.0.0":                                      false,
	} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/metrics", nil)
		req.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, req)
		kind, body := w.Header().Get("Content-Type"), w.Body.String()
		if strings.HasPrefix(kind, "application/openmetrics-text; version=1.0.0") != open || strings.HasSuffix(body, "# EOF\n") != open || strings.Contains(body, "# TYPE parley_panics counter\n") != open {
			t.Errorf("Accept %q: %s", accept, kind)
		}
		names := make(map[string]bool) // each family stands there once
		for line := range strings.Lines(body) {
			if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
				if names[name] {
					t.Errorf("%s is there twice", name)
				}
				names[name] = true
			}
		}
	}
	broken = errors.New("the disk is full")
	if text := get(t, web, "/readyz", 503); !strings.Contains(text, "the disk is full") {
		t.Error(text)
	}
	if text := get(t, web, "/metrics", 200); !strings.Contains(text, "\nparley_ready 0\n") {
		t.Error("parley_ready is not 0")
	}
	if text := get(t, web, "/statz", 200); !strings.Contains(text, `"problems":["the disk is full"]`) {
		t.Error(text)
	}
}

// serpy confirms in its odd modes only.
func TestConfirms(t *testing.T) {
	p := serpy.Protocol{Mode: 1}
	for mode, want := range map[int]bool{0: false, 1: true, 4: false, 5: true} {
		if got := confirms(p, serpy.WithMode(parley.Text("x"), mode)); got != want {
			t.Errorf("mode %d: %v", mode, got)
		}
	}
	if !confirms(p, parley.Text("x")) || confirms(serpy.Protocol{}, parley.Text("x")) {
		t.Error("without a mode it is the protocol's")
	}
}

// A transfer is shown while it is under way and when it has ended, and can be cancelled.
//
// Verifies: WEB-22
func TestTransfers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a", make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	begun, proceed := make(chan struct{}), make(chan struct{})
	files := &transfer.Server{Root: root, OnProgress: func(_ *parley.Conn, tr transfer.Transfer) {
		if tr.Done == 0 {
			begun <- struct{}{}
			<-proceed
		}
	}}
	var ts Transfers
	ts.Watch(files)
	addr := parleytest.NewServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: files, Limits: parley.Limits{MaxMessage: transfer.MaxLetter}})
	web := httptest.NewServer(ts.Handler())
	defer web.Close()
	rows := func() []TransferRow {
		var got struct{ Transfers []TransferRow }
		if err := json.Unmarshal([]byte(get(t, web, "/transfers", 200)), &got); err != nil {
			t.Fatal(err)
		}
		return got.Transfers
	}
	for i, cancel := range []bool{false, true} {
		c, err := transfer.Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Download(t.Context(), "a", fmt.Sprintf("%s/copy%d", t.TempDir(), i)) }()
		<-begun
		row := rows()[0]
		if row.Path != "a" || row.Upload || row.Size != 100_000 || row.Ended || row.Peer == "" {
			t.Errorf("%+v", row)
		}
		if cancel {
			if code := post(t, web, "/cancel?id="+row.ID); code != 200 {
				t.Error(code)
			}
		}
		proceed <- struct{}{}
		if err := <-done; (err != nil) != cancel {
			t.Errorf("cancelled %v: %v", cancel, err)
		}
		c.Close()
		its := func() (found TransferRow) { // those that are over stand behind the others
			for _, other := range rows() {
				if other.ID == row.ID {
					found = other
				}
			}
			return found
		}
		for !its().Ended {
			if t.Context().Err() != nil {
				t.Fatal("its end is not noted")
			}
		}
		if got := its(); len(rows()) != i+1 || (got.Error != "") != cancel {
			t.Errorf("%d rows, %+v", len(rows()), got)
		}
	}
	if code := post(t, web, "/cancel?id=99"); code != 404 {
		t.Error(code)
	}
}
