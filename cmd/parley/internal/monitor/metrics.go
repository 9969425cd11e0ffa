package monitor

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
)

// metrics answers in the text format of Prometheus.
func (m *Monitor) metrics(w http.ResponseWriter, _ *http.Request) {
	s := m.stats()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer out.Flush()
	family := func(name, kind, help string, value func(Server) any) {
		fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, srv := range s.Servers {
			fmt.Fprintf(out, "%s{url=\"%s\"} %v\n", name, label(srv.URL), value(srv))
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
	family("parley_messages_refused_total", "counter", "Messages refused because of their size.", func(s Server) any { return s.RefusedSize })
	family("parley_messages_missed_total", "counter", "Messages to all that a slow peer missed.", func(s Server) any { return s.Slow })
	family("parley_panics_total", "counter", "Panics of handlers, hooks, machines and plugins.", func(s Server) any { return s.Panics })
	family("parley_handler_errors_total", "counter", "Errors of handlers that have ended a connection.", func(s Server) any { return s.HandlerErrors })
	family("parley_timeouts_total", "counter", "Connections that a timeout has ended.", func(s Server) any { return s.Timeouts })
	family("parley_protocol_errors_total", "counter", "Connections that have ended because the peer broke the rules.", func(s Server) any { return s.ProtocolErrors })
	family("parley_tls_failures_total", "counter", "TLS handshakes that failed.", func(s Server) any { return s.TLSFailures })
	family("parley_pending_bytes", "gauge", "Bytes that wait for the peers to take them.", func(s Server) any { return s.PendingBytes })
	fmt.Fprintf(out, "# HELP parley_uptime_seconds Time since the start.\n# TYPE parley_uptime_seconds gauge\nparley_uptime_seconds %g\n", s.UptimeS)
	fmt.Fprintf(out, "# HELP parley_goroutines Goroutines.\n# TYPE parley_goroutines gauge\nparley_goroutines %d\n", s.Goroutines)
	fmt.Fprintf(out, "# HELP parley_heap_bytes Bytes of the heap in use.\n# TYPE parley_heap_bytes gauge\nparley_heap_bytes %d\n", s.HeapBytes)
	fmt.Fprintf(out, "# HELP parley_build_info The program.\n# TYPE parley_build_info gauge\nparley_build_info{version=\"%s\"} 1\n", label(s.Version))
}

// label returns s as the value of a label.
func label(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) }
