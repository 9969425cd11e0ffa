package listen

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/archive"
	"github.com/parley-net/parley/cmd/parley/internal/metrics"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/web"
	"github.com/parley-net/parley/web/dash"
)

// Dashboard is what a browser finds at one port: the pages, and what they ask.
type Dashboard struct {
	Info      dash.Info
	Monitor   *monitor.Monitor
	Door      *web.Door          // or nil
	Guarded   bool               // the door says who may see what is not a target's
	Store     *archive.Pages     // or nil
	transfers *monitor.Transfers // or nil
}

// Handler puts them together.
func (d *Dashboard) Handler() http.Handler {
	mux := http.NewServeMux()
	own := d.Monitor.Handler()
	if d.Door != nil { // its Guard knows the names
		own = d.Monitor.Guarded()
	}
	pages := dash.Handler(d.Info)
	for _, path := range []string{"/{$}", "/dash/", "/info"} {
		mux.Handle("GET "+path, pages)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		mux.Handle(path, own)
	}
	for _, path := range []string{"/metrics", "/statz", "/connz", "/close"} {
		switch {
		case !d.Guarded:
			mux.Handle(path, own)
		case path != "/connz" && path != "/close": // there are no servers
			mux.Handle(path, d.Door.Require(web.Admin, own))
		}
	}
	if d.Door != nil {
		inside := d.Door.Handler()
		for _, path := range []string{"/ws", "/ticket", "/events", "/targets", "/series", "/login", "/parley.js"} {
			mux.Handle(path, inside)
		}
	}
	if d.Store != nil {
		for _, path := range []string{"/sessions", "/found", "/export"} {
			mux.Handle(path, d.Door.Require(web.Read, d.Store.Handler()))
		}
	}
	if d.transfers != nil {
		mux.Handle("/transfers", d.transfers.Handler())
		mux.Handle("/cancel", d.transfers.Handler())
	}
	if d.Door != nil {
		return d.Door.Guard(mux)
	}
	return mux
}

// Calls takes the time of calls, by target.
type Calls struct {
	mu  sync.Mutex
	all map[string]*called
}

type called struct {
	took   metrics.Histogram
	failed uint64
}

func (c *Calls) Add(call web.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[string]*called)
	}
	t := c.all[call.Target]
	if t == nil {
		t = new(called)
		c.all[call.Target] = t
	}
	t.took.Add(call.Took)
	if call.Err != nil {
		t.failed++
	}
}

// WriteDoor writes the metrics of a door.
func WriteDoor(w *metrics.Writer, door *web.Door, c *Calls) {
	s := door.Stats()
	w.One("parley_door_sockets", "gauge", "Sockets and readers of events that are open.", s.Open)
	w.One("parley_door_sockets_opened_total", "counter", "Sockets and readers of events that were ever opened.", s.Opened)
	w.One("parley_door_refused_total", "counter", "Requests and sockets that were refused.", s.Refused)
	w.One("parley_door_frames_received_total", "counter", "Frames of pages.", s.Received)
	w.One("parley_door_messages_sent_total", "counter", "Messages that pages were sent.", s.Sent)
	w.One("parley_door_messages_missed_total", "counter", "Messages that pages were told they missed.", s.Missed)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 {
		return
	}
	var names []string
	for name := range c.all {
		names = append(names, name)
	}
	slices.Sort(names)
	w.Family("parley_call_seconds", "histogram", "From a page's call to the device's answer, or to its failure.")
	for _, name := range names {
		w.Histogram("parley_call_seconds", &c.all[name].took, metrics.Label{"target", name})
	}
	w.Family("parley_calls_failed_total", "counter", "Calls of pages that had no answer.")
	for _, name := range names {
		w.Value("parley_calls_failed_total", c.all[name].failed, metrics.Label{"target", name})
	}
}

// roomMetrics takes the time from a room's publishers to here.
type roomMetrics struct {
	rooms     []*cluster.Room
	delivery  []*metrics.Histogram
	receivers []*cluster.Receiver
}

// WatchRooms listens in rooms.
func WatchRooms(rooms []*cluster.Room) *roomMetrics {
	m := &roomMetrics{rooms: rooms}
	for _, r := range rooms {
		h := new(metrics.Histogram)
		m.delivery = append(m.delivery, h)
		rec, err := r.Receive(cluster.ReceiveOptions{ID: "metrics"}, func(d cluster.Delivery) {
			if d.Err == nil {
				h.Add(max(0, time.Since(d.At)))
			}
		})
		if err == nil {
			m.receivers = append(m.receivers, rec)
		}
	}
	return m
}

func (m *roomMetrics) Close() {
	for _, r := range m.receivers {
		r.Close()
	}
}

func (m *roomMetrics) Write(w *metrics.Writer) {
	for _, c := range []struct {
		name, help string
		of         func(cluster.RoomStats) uint64
	}{
		{"parley_room_messages_published_total", "Messages of this node's members.", func(s cluster.RoomStats) uint64 { return s.Published }},
		{"parley_room_messages_arrived_total", "Messages of other nodes.", func(s cluster.RoomStats) uint64 { return s.Arrived }},
		{"parley_room_messages_missed_total", "Messages of other nodes that did not arrive.", func(s cluster.RoomStats) uint64 { return s.Missed }},
		{"parley_room_messages_unsent_total", "Messages that the bus did not take.", func(s cluster.RoomStats) uint64 { return s.Unsent }},
		{"parley_room_messages_kept_total", "Messages of this node's members that are in the room's log.", func(s cluster.RoomStats) uint64 { return s.Kept }},
		{"parley_room_messages_unkept_total", "Messages that the room's log did not get.", func(s cluster.RoomStats) uint64 { return s.Unkept }},
		{"parley_room_misfits_total", "Messages that had no form in a server's protocol, each server counted.", func(s cluster.RoomStats) uint64 { return s.Misfits }},
	} {
		w.Family(c.name, "counter", c.help)
		for _, r := range m.rooms {
			w.Value(c.name, c.of(r.Stats()), metrics.Label{"room", r.Name()})
		}
	}
	w.Family("parley_room_members", "gauge", "Members of the room on this node.")
	for _, r := range m.rooms {
		w.Value("parley_room_members", len(r.Members()), metrics.Label{"room", r.Name()})
	}
	w.Family("parley_bus_delivery_seconds", "histogram", "From a message's publication, by its publisher's clock, to its delivery here.")
	for i, r := range m.rooms {
		w.Histogram("parley_bus_delivery_seconds", m.delivery[i], metrics.Label{"room", strings.ToValidUTF8(r.Name(), "?")})
	}
}
