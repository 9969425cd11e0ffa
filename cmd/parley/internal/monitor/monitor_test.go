package monitor

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
)

func TestMain(m *testing.M) { leak.Main(m) }

// watched starts an echo server with a monitor.
func watched(t *testing.T) (m *Monitor, addr string, web *httptest.Server) {
	t.Helper()
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.Send(ctx, m)
	})}
	m = New("v1 \"quoted\"")
	w := m.Watch(srv)
	w.URL = "tinyproto://here"
	addr = parleytest.NewServer(t, srv)
	web = httptest.NewServer(m.Handler())
	t.Cleanup(web.Close)
	return m, addr, web
}

func dial(t *testing.T, addr string) *parley.Conn {
	t.Helper()
	d := &parley.Dialer{Protocol: tinyproto.Protocol{}}
	c, err := d.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func get(t *testing.T, web *httptest.Server, path string, wantCode int) string {
	t.Helper()
	resp, err := web.Client().Get(web.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != wantCode {
		t.Fatalf("%s: %s, %v: %s", path, resp.Status, err, body)
	}
	return string(body)
}

func conns(t *testing.T, web *httptest.Server, query string) Conns {
	t.Helper()
	var c Conns
	if err := json.Unmarshal([]byte(get(t, web, "/connz"+query, 200)), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEndpoints(t *testing.T) {
	m, addr, web := watched(t)
	first := dial(t, addr)
	if _, err := first.Call(t.Context(), parley.Text(strings.Repeat("ä", 100))); err != nil {
		t.Fatal(err)
	}
	second := dial(t, addr)
	for range 3 {
		if _, err := second.Call(t.Context(), parley.Text("hello")); err != nil {
			t.Fatal(err)
		}
	}
	for sort, want := range map[string]string{"": "1", "in": "2", "out": "2", "bytes": "1", "age": "1", "idle": "1"} {
		c := conns(t, web, "?sort="+sort)
		if c.Total != 2 || len(c.Connections) != 2 || c.Connections[0].ID != want {
			t.Errorf("sort %q: %+v", sort, c)
		}
	}
	if c := conns(t, web, "?limit=1"); c.Total != 2 || len(c.Connections) != 1 {
		t.Errorf("%+v", c)
	}
	rows := conns(t, web, "").Connections
	if r := rows[1]; r.MessagesIn != 3 || r.MessagesOut != 3 || r.Last != `> bytes "hello"` || r.Server != "tinyproto://here" || r.Proto != "tinyproto" || r.Address == "" || r.Closed != nil {
		t.Errorf("%+v", r)
	}
	if r := rows[0]; !strings.HasPrefix(r.Last, `> bytes "ä`) || !strings.HasSuffix(r.Last, "of 200 bytes") {
		t.Errorf("%+v", r)
	}
	metrics := get(t, web, "/metrics", 200)
	families := make(map[string]bool)
	for line := range strings.Lines(metrics) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if families[name] {
				t.Errorf("twice in /metrics: %s", name) // Prometheus would refuse all of it
			}
			families[name] = true
		}
	}
	for _, line := range []string{
		"# TYPE parley_messages_received_total counter",
		`parley_messages_received_total{url="tinyproto://here"} 4`,
		`parley_connections{url="tinyproto://here"} 2`,
		`parley_build_info{version="v1 \"quoted\""} 1`,
		"# TYPE parley_panics_total counter",
		`parley_panics_total{url="tinyproto://here"} 0`,
		`parley_handler_errors_total{url="tinyproto://here"} 0`,
		`parley_timeouts_total{url="tinyproto://here"} 0`,
		`parley_protocol_errors_total{url="tinyproto://here"} 0`,
		`parley_tls_failures_total{url="tinyproto://here"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in\n%s", line, metrics)
		}
	}
	var s Stats
	if err := json.Unmarshal([]byte(get(t, web, "/statz", 200)), &s); err != nil || len(s.Servers) != 1 || s.Servers[0].Accepted != 2 || s.Servers[0].MessagesIn != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	get(t, web, "/healthz", 200)
	get(t, web, "/readyz", 200)
	m.Draining()
	get(t, web, "/readyz", 503)
	get(t, web, "/connz?sort=colour", 400)
	get(t, web, "/connz?state=some", 400)
	get(t, web, "/connz?limit=0", 400)
	get(t, web, "/nothing", 404)
}

func TestRates(t *testing.T) {
	m, addr, web := watched(t)
	c := dial(t, addr)
	if _, err := c.Call(t.Context(), parley.Text("hello")); err != nil {
		t.Fatal(err)
	}
	wc := m.conns()[0]
	wc.sample(wc.sampled.Add(2*time.Second), wc.conn.Stats())
	if r := conns(t, web, "?sort=rate").Connections[0]; r.MessagesInRate != 0.5 || r.MessagesOutRate != 0.5 || r.BytesInRate <= 2.5 {
		t.Errorf("%+v", r)
	}
	wc.sample(wc.sampled, wc.conn.Stats()) // no time has passed
}

func post(t *testing.T, web *httptest.Server, path string, header ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", web.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestClose(t *testing.T) {
	m, addr, web := watched(t)
	c := []*parley.Conn{dial(t, addr), dial(t, addr), dial(t, addr)}
	for _, c := range c { // so that all have opened
		if _, err := c.Call(t.Context(), parley.Text("hello")); err != nil {
			t.Fatal(err)
		}
	}
	// Other sites can do nothing.
	if code := post(t, web, "/close?id=1", "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Error(code)
	}
	if code := post(t, web, "/close?id=1", "Origin", "http://evil.example"); code != 403 {
		t.Error(code)
	}
	if code := post(t, web, "/close?id=1", "Host", "evil.example"); code != 403 {
		t.Error(code)
	}
	if code := post(t, web, "/close?id=9"); code != 404 {
		t.Error(code)
	}
	if n := len(m.conns()); n != 3 {
		t.Fatalf("%d open", n)
	}
	if code := post(t, web, "/close?id=2"); code != 200 {
		t.Error(code)
	}
	<-c[1].Done()
	if code := post(t, web, "/close?all=1"); code != 200 {
		t.Error(code)
	}
	<-c[0].Done()
	<-c[2].Done()
	for len(conns(t, web, "?state=closed").Connections) < 3 {
		if t.Context().Err() != nil {
			t.Fatal("they are not noted as closed")
		}
	}
	for _, r := range conns(t, web, "?state=any").Connections {
		if r.Closed == nil || r.Reason != "closed on request" || r.MessagesIn != 1 {
			t.Errorf("%+v", r)
		}
	}
}

// From another machine everything can be seen and nothing closed.
func TestCloseFromElsewhere(t *testing.T) {
	m, addr, _ := watched(t)
	c := dial(t, addr)
	if _, err := c.Call(t.Context(), parley.Text("hello")); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]int{"POST /close?id=1": 403, "POST /close?all=1": 403, "GET /connz": 200} {
		verb, path, _ := strings.Cut(method, " ")
		r := httptest.NewRequestWithContext(t.Context(), verb, "http://bench.example"+path, nil)
		r.RemoteAddr = "192.0.2.7:1234"
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if len(m.conns()) != 1 {
		t.Error("it was closed")
	}
}

// What has closed is remembered, but not for ever.
func TestClosedOnes(t *testing.T) {
	m := New("")
	for range maxClosed {
		m.closed = append(m.closed, Row{Server: "old"})
	}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil })}
	m.Watch(srv)
	c := dial(t, parleytest.NewServer(t, srv))
	c.Close()
	for {
		rows, err := m.rows("closed", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		if last := rows.Connections[len(rows.Connections)-1]; last.Server != "old" {
			if len(rows.Connections) != maxClosed {
				t.Errorf("%d", len(rows.Connections))
			}
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("it is not noted")
		}
	}
}

func TestLast(t *testing.T) {
	for want, wc := range map[string]*watchedConn{
		"":               {},
		`< text "a\x1b"`: {kind: parley.TypeText, begin: []byte("a\x1b"), length: 2},
		"> bytes ff00":   {kind: parley.TypeBytes, begin: []byte{0xFF, 0}, length: 2, sent: true},
		"< object":       {kind: parley.TypeObject},
		`< int "-5"`:     {kind: parley.TypeInt, begin: []byte("-5"), length: 2},
		"< bytes " + strings.Repeat("ff", lastLen/2) + "… of 100 bytes": {kind: parley.TypeBytes, begin: []byte(strings.Repeat("\xff", lastLen)), length: 100},
	} {
		if got := wc.last(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What goes wrong is in the metrics, by its kind.
func TestFaults(t *testing.T) {
	_, addr, web := watched(t)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	io.Copy(io.Discard, nc)
	const line = `parley_protocol_errors_total{url="tinyproto://here"} 1`
	for metrics := ""; !strings.Contains(metrics, line+"\n"); metrics = get(t, web, "/metrics", 200) {
		if err := t.Context().Err(); err != nil {
			t.Fatalf("no %s in\n%s", line, metrics)
		}
	}
}
