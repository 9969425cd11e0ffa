// Package prometheus is a collector of Prometheus for the counters of a parley.Server:
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(parleyprom.New(srv, prometheus.Labels{"server": "device"}))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// It is an example to copy: a module of its own, so that the library needs nothing of
// it. The names are those of the command's /metrics.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-net/parley"
)

// Collector collects the counters of a Server.
type Collector struct {
	srv      *parley.Server
	families []family
}

// family is one metric.
type family struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(parley.ServerStats) float64
}

// New returns a Collector for srv, all of whose metrics have the labels given.
func New(srv *parley.Server, labels prometheus.Labels) *Collector {
	c := &Collector{srv: srv}
	add := func(kind prometheus.ValueType, name, help string, value func(parley.ServerStats) float64) {
		c.families = append(c.families, family{prometheus.NewDesc(name, help, nil, labels), kind, value})
	}
	counter := func(name, help string, value func(parley.ServerStats) uint64) {
		add(prometheus.CounterValue, name, help, func(s parley.ServerStats) float64 { return float64(value(s)) })
	}
	add(prometheus.GaugeValue, "parley_connections", "Connections that are open.", func(s parley.ServerStats) float64 { return float64(s.Open) })
	add(prometheus.GaugeValue, "parley_pending_bytes", "Bytes that wait for the peers to take them.", func(s parley.ServerStats) float64 { return float64(s.Total.Pending) })
	add(prometheus.GaugeValue, "parley_waiting_messages", "Messages that wait for Receive or a busy handler.", func(s parley.ServerStats) float64 { return float64(s.Total.Waiting) })
	counter("parley_connections_accepted_total", "Connections ever accepted.", func(s parley.ServerStats) uint64 { return s.Accepted })
	counter("parley_connections_refused_total", "Connections refused because of a limit.", func(s parley.ServerStats) uint64 { return s.Refused })
	counter("parley_messages_received_total", "Messages received.", func(s parley.ServerStats) uint64 { return s.Total.MessagesIn })
	counter("parley_messages_sent_total", "Messages sent.", func(s parley.ServerStats) uint64 { return s.Total.MessagesOut })
	counter("parley_received_bytes_total", "Bytes of the wire received.", func(s parley.ServerStats) uint64 { return s.Total.BytesIn })
	counter("parley_sent_bytes_total", "Bytes of the wire sent.", func(s parley.ServerStats) uint64 { return s.Total.BytesOut })
	counter("parley_messages_lost_total", "Messages that could not be delivered.", func(s parley.ServerStats) uint64 { return s.Total.Lost })
	counter("parley_messages_confirmed_total", "Messages that the peers have confirmed.", func(s parley.ServerStats) uint64 { return s.Total.Confirmed })
	counter("parley_messages_refused_total", "Messages refused because of their size.", func(s parley.ServerStats) uint64 { return s.Total.TooLarge })
	counter("parley_messages_late_total", "Messages that came in the place of an answer that was given up.", func(s parley.ServerStats) uint64 { return s.Total.Late })
	counter("parley_messages_missed_total", "Messages to all that a slow peer missed.", func(s parley.ServerStats) uint64 { return s.Missed })
	counter("parley_stalls_total", "Times a handler has blocked an event loop.", func(s parley.ServerStats) uint64 { return s.Stalls })
	counter("parley_panics_total", "Panics of handlers, hooks, machines and plugins.", func(s parley.ServerStats) uint64 { return s.Faults.Panics })
	counter("parley_handler_errors_total", "Errors of handlers that have ended a connection.", func(s parley.ServerStats) uint64 { return s.Faults.HandlerErrors })
	counter("parley_timeouts_total", "Connections that a timeout has ended.", func(s parley.ServerStats) uint64 { return s.Faults.Timeouts })
	counter("parley_protocol_errors_total", "Connections that have ended because the peer broke the rules.", func(s parley.ServerStats) uint64 { return s.Faults.ProtocolErrors })
	counter("parley_tls_failures_total", "TLS handshakes that failed.", func(s parley.ServerStats) uint64 { return s.Faults.TLSFailures })
	return c
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.families {
		out <- f.desc
	}
}

// Collect sends the values of all metrics, of one moment.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	st := c.srv.Stats()
	for _, f := range c.families {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(st))
	}
}
