package monitor

import (
	"net/http"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/metrics"
)

// More writes metrics besides those of the servers.
type More func(w *metrics.Writer)

// Metrics adds what /metrics tells. Call it before the first request is served.
func (m *Monitor) Metrics(more More) { m.more = append(m.more, more) }

// metrics answers in the text format of Prometheus, or OpenMetrics for who asks for it.
func (m *Monitor) metrics(rw http.ResponseWriter, r *http.Request) {
	s := m.stats()
	w := metrics.New(rw, r)
	defer w.Close()
	counters(w, s.Servers)
	m.histograms(w)
	for _, more := range m.more {
		more(w)
	}
	ready := 1
	if len(s.Problems) > 0 {
		ready = 0
	}
	w.One("parley_ready", "gauge", "Whether /readyz says that the program is ready.", ready)
	w.One("parley_uptime_seconds", "gauge", "Time since the start.", time.Since(m.began).Seconds())
	w.One("parley_goroutines", "gauge", "Goroutines.", s.Goroutines)
	w.One("parley_heap_bytes", "gauge", "Bytes of the heap in use.", s.HeapBytes)
	w.Family("parley_build_info", "gauge", "The program.")
	w.Value("parley_build_info", 1, metrics.Label{"version", s.Version})
	w.Process(m.began)
}

// counters writes what servers have counted.
func counters(w *metrics.Writer, servers []Server) {
	family := func(name, kind, help string, value func(Server) any) {
		if len(servers) == 0 {
			return
		}
		w.Family(name, kind, help)
		for _, srv := range servers {
			w.Value(name, value(srv), metrics.Label{"url", srv.URL})
		}
	}
	family("parley_connections", "gauge", "Connections that are open.", func(s Server) any { return s.Open })
	family("parley_connections_accepted_total", "counter", "Connections ever accepted.", func(s Server) any { return s.Accepted })
	family("parley_connections_refused_total", "counter", "Connections refused because of a limit.", func(s Server) any { return s.Refused })
	family("parley_messages_received_total", "counter", "Messages received.", func(s Server) any { return s.MessagesIn })
	family("parley_messages_sent_total", "counter", "Messages sent.", func(s Server) any { return s.MessagesOut })
	family("parley_received_bytes_total", "counter", "Bytes of the wire received.", func(s Server) any { return s.BytesIn })
	family("parley_sent_bytes_total", "counter", "Bytes of the wire sent.", func(s Server) any { return s.BytesOut })
	family("parley_messages_confirmed_total", "counter", "Messages that the peers have confirmed.", func(s Server) any { return s.Confirmed })
	family("parley_messages_lost_total", "counter", "Messages that could not be delivered.", func(s Server) any { return s.Lost })
	family("parley_messages_refused_total", "counter", "Messages refused because of their size.", func(s Server) any { return s.TooLarge })
	family("parley_messages_late_total", "counter", "Messages that came in the place of an answer that was given up.", func(s Server) any { return s.Late })
	family("parley_messages_missed_total", "counter", "Messages to all that a slow peer missed.", func(s Server) any { return s.Slow })
	family("parley_stalls_total", "counter", "Times a handler has blocked an event loop.", func(s Server) any { return s.Stalls })
	family("parley_panics_total", "counter", "Panics of handlers, hooks, machines and plugins.", func(s Server) any { return s.Panics })
	family("parley_handler_errors_total", "counter", "Errors of handlers that have ended a connection.", func(s Server) any { return s.HandlerErrors })
	family("parley_timeouts_total", "counter", "Connections that a timeout has ended.", func(s Server) any { return s.Timeouts })
	family("parley_protocol_errors_total", "counter", "Connections that have ended because the peer broke the rules.", func(s Server) any { return s.ProtocolErrors })
	family("parley_tls_failures_total", "counter", "TLS handshakes that failed.", func(s Server) any { return s.TLSFailures })
	family("parley_pending_bytes", "gauge", "Bytes that wait for the peers to take them.", func(s Server) any { return s.Pending })
	family("parley_waiting_messages", "gauge", "Messages that wait for Receive or a busy handler.", func(s Server) any { return s.Waiting })
}

func (m *Monitor) histograms(w *metrics.Writer) {
	if len(m.servers) == 0 {
		return
	}
	for _, h := range []struct {
		name, help string
		of         func(*Watched) *metrics.Histogram
	}{
		{"parley_handler_seconds", "How long the handler took for a message.", func(w *Watched) *metrics.Histogram { return &w.handler }},
		{"parley_confirm_seconds", "From a message to the peer's confirmation.", func(w *Watched) *metrics.Histogram { return &w.confirm }},
	} {
		w.Family(h.name, "histogram", h.help)
		for _, srv := range m.servers {
			w.Histogram(h.name, h.of(srv), metrics.Label{"url", srv.URL})
		}
	}
}
