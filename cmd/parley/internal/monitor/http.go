package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// killRate is how many connections in a second /close?all=1 cuts.
const killRate = 20

// Handler returns the endpoints: /healthz, /readyz,
// /metrics, /connz, /statz and, by POST, /close. Whoever reaches it can read
// all; only who is on this machine can close connections.
func (m *Monitor) Handler() http.Handler { return local(m.Guarded()) }

// Guarded is Handler for a place where somebody else looks under which name pages come.
func (m *Monitor) Guarded() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", m.readyz)
	mux.HandleFunc("GET /metrics", m.metrics)
	mux.HandleFunc("GET /connz", m.connz)
	mux.HandleFunc("GET /statz", m.statz)
	mux.HandleFunc("POST /close", m.close)
	// A page of another site must neither read nor close anything: not by its
	// own requests, nor, as local sees to, under a name of its own that leads here.
	return http.NewCrossOriginProtection().Handler(mux)
}

// local turns away what came to this machine under another name than an
// address or localhost.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if here != nil && isLoopback(here.String()) && host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "the name "+host+" is not that of this machine: use localhost or an address", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (m *Monitor) readyz(w http.ResponseWriter, _ *http.Request) {
	if wrong := m.problems(); len(wrong) > 0 {
		http.Error(w, strings.Join(wrong, "\n"), http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

func (m *Monitor) connz(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := 0
	if text := q.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			http.Error(w, "limit="+text+": want a number from 1", http.StatusBadRequest)
			return
		}
	}
	rows, err := m.rows(q.Get("state"), q.Get("sort"), limit)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, rows)
}

// Stats is the answer to /statz.
type Stats struct {
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	UptimeS    float64   `json:"uptime_s"`
	Draining   bool      `json:"draining"`
	Goroutines int       `json:"goroutines"`
	HeapBytes  uint64    `json:"heap_bytes"`
	Servers    []Server  `json:"servers"`
	Problems   []string  `json:"problems,omitempty"` // why it is not ready
}

func (m *Monitor) stats() Stats {
	m.mu.Lock()
	s := Stats{Version: m.version, Started: m.began, UptimeS: time.Since(m.began).Seconds(), Draining: m.draining, Goroutines: runtime.NumGoroutine()}
	m.mu.Unlock()
	s.Problems = m.problems()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	s.HeapBytes = mem.HeapAlloc
	for _, w := range m.servers {
		s.Servers = append(s.Servers, serverOf(w.URL, w.srv.Stats()))
	}
	return s
}

func (m *Monitor) statz(w http.ResponseWriter, _ *http.Request) { answer(w, m.stats()) }

// maxReason and maxBan bound what can be asked for with a connection's end.
const (
	maxReason = 1000
	maxBan    = 24 * time.Hour
)

// close ends the connection ?id=ID, with ?reason=TEXT, and refuses its address for
// ?ban=SECONDS; or with ?all=1 all of them.
func (m *Monitor) close(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ban, err := 0.0, error(nil)
	if text := q.Get("ban"); text != "" {
		ban, err = strconv.ParseFloat(text, 64)
	}
	switch {
	case !isLoopback(r.RemoteAddr):
		http.Error(w, "connections can be closed from the server's own machine only", http.StatusForbidden)
	case err != nil || !(ban >= 0 && ban <= maxBan.Seconds()) || len(q.Get("reason")) > maxReason:
		http.Error(w, fmt.Sprintf("want reason=TEXT of at most %d bytes, ban=SECONDS up to %.0f", maxReason, maxBan.Seconds()), http.StatusBadRequest)
	case q.Get("all") == "1":
		answer(w, Closing{m.killAll(killRate), killRate})
	default:
		err := m.kill(q.Get("id"), q.Get("reason"), time.Duration(ban*float64(time.Second)))
		switch {
		case errors.Is(err, errNoConn):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			answer(w, Closing{1, killRate})
		}
	}
}

// Closing is the answer to /close.
type Closing struct {
	Closing   int `json:"closing"` // connections
	PerSecond int `json:"per_second"`
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}
