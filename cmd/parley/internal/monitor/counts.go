package monitor

import "github.com/parley-net/parley"

// Counts are the counters of a connection, or of all connections of a server, under the
// names that /connz, /statz and top have for them. It is the one place that knows
// parley.ConnStats.
type Counts struct {
	MessagesIn  uint64 `json:"messages_in"`
	MessagesOut uint64 `json:"messages_out"`
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
	Confirmed   uint64 `json:"confirmed_messages"`
	Lost        uint64 `json:"lost_messages"`
	Late        uint64 `json:"late_messages"`    // that came in the place of an answer that was given up
	TooLarge    uint64 `json:"refused_messages"` // because of their size
	Pending     int    `json:"pending_bytes"`    // that wait for the peer to take them
	Waiting     int    `json:"waiting_messages"` // for a busy handler
}

func countsOf(s parley.ConnStats) Counts {
	return Counts{
		MessagesIn: s.MessagesIn, MessagesOut: s.MessagesOut, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Confirmed: s.Confirmed, Lost: s.Lost, Late: s.Late, TooLarge: s.TooLarge,
		Pending: s.Pending, Waiting: s.Waiting,
	}
}

// Add counts o too.
func (c *Counts) Add(o Counts) {
	c.MessagesIn += o.MessagesIn
	c.MessagesOut += o.MessagesOut
	c.BytesIn += o.BytesIn
	c.BytesOut += o.BytesOut
	c.Confirmed += o.Confirmed
	c.Lost += o.Lost
	c.Late += o.Late
	c.TooLarge += o.TooLarge
	c.Pending += o.Pending
	c.Waiting += o.Waiting
}

// Rates are counts in a second.
type Rates struct {
	MessagesInRate  float64 `json:"messages_in_per_s"`
	MessagesOutRate float64 `json:"messages_out_per_s"`
	BytesInRate     float64 `json:"bytes_in_per_s"`
	BytesOutRate    float64 `json:"bytes_out_per_s"`
}

// since returns the rates of what has come to old in d seconds.
func (c Counts) since(old Counts, d float64) Rates {
	rate := func(now, then uint64) float64 { return float64(now-then) / d }
	return Rates{
		rate(c.MessagesIn, old.MessagesIn), rate(c.MessagesOut, old.MessagesOut),
		rate(c.BytesIn, old.BytesIn), rate(c.BytesOut, old.BytesOut),
	}
}

// Add counts o too.
func (r *Rates) Add(o Rates) {
	r.MessagesInRate += o.MessagesInRate
	r.MessagesOutRate += o.MessagesOutRate
	r.BytesInRate += o.BytesInRate
	r.BytesOutRate += o.BytesOutRate
}

// Server is what Stats tells of a server; the counts are those since it began. It is the
// one place that knows parley.ServerStats.
type Server struct {
	URL      string `json:"url"`
	Open     int    `json:"open"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"` // connections turned away because of a limit
	Slow     uint64 `json:"slow"`    // messages to all that a slow peer missed
	Stalls   uint64 `json:"stalls"`  // times a handler has blocked an event loop
	Counts

	// Faults; see parley.Faults.
	Panics         uint64 `json:"panics"`
	HandlerErrors  uint64 `json:"handler_errors"`
	Timeouts       uint64 `json:"timeouts"`
	ProtocolErrors uint64 `json:"protocol_errors"`
	TLSFailures    uint64 `json:"tls_failures"`
}

func serverOf(url string, s parley.ServerStats) Server {
	f := s.Faults
	return Server{
		URL: url, Open: s.Open, Accepted: s.Accepted, Refused: s.Refused, Slow: s.Missed, Stalls: s.Stalls,
		Counts: countsOf(s.Total),
		Panics: f.Panics, HandlerErrors: f.HandlerErrors, Timeouts: f.Timeouts, ProtocolErrors: f.ProtocolErrors, TLSFailures: f.TLSFailures,
	}
}
