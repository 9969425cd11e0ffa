package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Row is what is told of a connection.
type Row struct {
	ID          string    `json:"id"`             // its number; N.ID on the server's second address and so on
	Name        string    `json:"name,omitempty"` // in its client certificate
	Server      string    `json:"server"`
	Address     string    `json:"address"` // of the peer
	Proto       string    `json:"proto"`
	TLS         bool      `json:"tls"`
	Opened      time.Time `json:"opened"`
	AgeSeconds  float64   `json:"age_s"`
	IdleSeconds float64   `json:"idle_s"` // since the last message
	Counts
	Rates             // of the last second
	Last   string     `json:"last,omitempty"` // the last message, with < in front if it came, > if it left
	Closed *time.Time `json:"closed,omitempty"`
	Reason string     `json:"reason,omitempty"` // why it has closed

	number [2]uint64 // of its server, and its own
}

// Conns is the answer to /connz.
type Conns struct {
	Now         time.Time `json:"now"`
	Total       int       `json:"total"` // before limit
	Connections []Row     `json:"connections"`
}

// An order is what /connz can sort by. Where more is worse, the most comes
// first.
type order struct {
	name    string
	compare func(a, b Row) int
}

// orders returns all, in the order of the columns.
func orders() []order {
	return []order{
		{"id", func(a, b Row) int { return slices.Compare(a.number[:], b.number[:]) }},
		{"name", func(a, b Row) int { return cmp.Compare(a.Name, b.Name) }},
		{"address", func(a, b Row) int { return cmp.Compare(a.Address, b.Address) }},
		{"age", func(a, b Row) int { return cmp.Compare(b.AgeSeconds, a.AgeSeconds) }},
		{"idle", func(a, b Row) int { return cmp.Compare(b.IdleSeconds, a.IdleSeconds) }},
		{"in", func(a, b Row) int { return cmp.Compare(b.MessagesIn, a.MessagesIn) }},
		{"out", func(a, b Row) int { return cmp.Compare(b.MessagesOut, a.MessagesOut) }},
		{"bytes", func(a, b Row) int { return cmp.Compare(b.BytesIn+b.BytesOut, a.BytesIn+a.BytesOut) }},
		{"rate", func(a, b Row) int {
			return cmp.Compare(b.MessagesInRate+b.MessagesOutRate, a.MessagesInRate+a.MessagesOutRate)
		}},
		{"pending", func(a, b Row) int { return cmp.Compare(b.Pending, a.Pending) }},
	}
}

// Orders returns the names of the orders.
func Orders() []string {
	var names []string
	for _, o := range orders() {
		names = append(names, o.name)
	}
	return names
}

// rows returns the connections in a state: open, closed or any.
func (m *Monitor) rows(state, sort string, limit int) (Conns, error) {
	all := orders()
	i := slices.IndexFunc(all, func(o order) bool { return o.name == cmp.Or(sort, "id") })
	if i < 0 {
		return Conns{}, fmt.Errorf("sort=%s: want %s", sort, strings.Join(Orders(), ", "))
	}
	state = cmp.Or(state, "open")
	if state != "open" && state != "closed" && state != "any" {
		return Conns{}, fmt.Errorf("state=%s: want open, closed or any", state)
	}
	answer := Conns{Now: time.Now(), Connections: []Row{}}
	if state != "closed" {
		for _, wc := range m.conns() {
			answer.Connections = append(answer.Connections, wc.now(answer.Now))
		}
	}
	if state != "open" {
		m.mu.Lock()
		answer.Connections = append(answer.Connections, m.closed...)
		m.mu.Unlock()
	}
	slices.SortStableFunc(answer.Connections, all[i].compare)
	answer.Total = len(answer.Connections)
	if limit > 0 && limit < answer.Total {
		answer.Connections = answer.Connections[:limit]
	}
	return answer, nil
}
