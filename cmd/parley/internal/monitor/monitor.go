// Package monitor shows over HTTP what servers do, to people, scripts and
// Prometheus, and closes connections on request.
package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley"
)

// maxClosed is how many connections are remembered when they have closed.
const maxClosed = 1000

// lastLen is how much of the last message a row shows, in bytes.
const lastLen = 80

// Monitor watches servers. Use New.
type Monitor struct {
	version string
	began   time.Time

	mu       sync.Mutex
	servers  []*Watched
	open     map[*parley.Conn]*watchedConn
	closed   []Row // the oldest first
	draining bool
	checks   []func() error
	more     []More
	bans     bans
}

// Watched is a server that is watched.
type Watched struct {
	URL string // where it listens; set it before the first request is served
	srv *parley.Server
	n   int // 1 for the first one
	measures
}

// New returns a Monitor that watches nothing yet. version is what it tells of
// the program.
func New(version string) *Monitor {
	return &Monitor{version: version, began: time.Now(), open: make(map[*parley.Conn]*watchedConn)}
}

// Watch watches srv from now on, through its Hooks and Trace: call it when
// these are set, before the server's first method.
func (m *Monitor) Watch(srv *parley.Server) *Watched {
	w := &Watched{srv: srv, n: len(m.servers) + 1}
	m.servers = append(m.servers, w)
	open, closed, trace := srv.Hooks.OnOpen, srv.Hooks.OnClose, srv.Trace
	if srv.Handler != nil {
		srv.Handler = parley.Wrap(srv.Handler, w.took)
	}
	srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
		m.opened(w, c)
		if m.bans.has(c.RemoteAddr().String()) {
			return errBanned
		}
		if open != nil {
			return open(ctx, c)
		}
		return nil
	}
	srv.Hooks.OnClose = func(c *parley.Conn, err error) {
		if closed != nil {
			closed(c, err)
		}
		m.ended(c, err)
	}
	srv.Trace = func(t parley.Trace) {
		if trace != nil {
			trace(t)
		}
		if t.What == "message" || t.What == "confirmed" {
			m.message(w, t)
		}
	}
	return w
}

// Check has check asked whenever somebody wants to know whether the program is ready: its
// error says what is wrong. Call it before the first request is served.
func (m *Monitor) Check(check func() error) { m.checks = append(m.checks, check) }

// problems returns what is wrong, for people.
func (m *Monitor) problems() []string {
	var all []string
	m.mu.Lock()
	if m.draining {
		all = append(all, "draining")
	}
	m.mu.Unlock()
	for _, check := range m.checks {
		if err := check(); err != nil {
			all = append(all, err.Error())
		}
	}
	return all
}

// Draining says that the servers take no more connections.
func (m *Monitor) Draining() {
	m.mu.Lock()
	m.draining = true
	m.mu.Unlock()
}

// Run keeps the rates until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, c := range m.conns() {
				c.sample(now, c.conn.Stats())
			}
		case <-ctx.Done():
			return
		}
	}
}

// watchedConn is an open connection.
type watchedConn struct {
	conn *parley.Conn
	row  Row // what does not change

	mu      sync.Mutex
	active  time.Time // of the last message
	sent    bool      // it left
	kind    parley.Type
	length  int
	begin   []byte // its first bytes, of a number all of its text
	killed  string // why an operator has closed it
	unconf  unconfirmed
	sampled time.Time
	counts  Counts // then
	rates   Rates
}

func (m *Monitor) opened(w *Watched, c *parley.Conn) {
	now := time.Now()
	wc := &watchedConn{conn: c, active: now, sampled: now, row: Row{
		ID:      fmt.Sprint(c.ID()),
		Server:  w.URL,
		Address: c.RemoteAddr().String(),
		Proto:   c.Protocol().Name(),
		Opened:  now,
		number:  [2]uint64{uint64(w.n), c.ID()},
	}}
	if w.n > 1 {
		wc.row.ID = fmt.Sprintf("%d.%d", w.n, c.ID())
	}
	if t, ok := c.NetConn().(*tls.Conn); ok {
		wc.row.TLS = true
		if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
			wc.row.Name = certs[0].Subject.CommonName
		}
	}
	m.mu.Lock()
	m.open[c] = wc
	m.mu.Unlock()
}

func (m *Monitor) ended(c *parley.Conn, err error) {
	now := time.Now()
	m.mu.Lock()
	wc := m.open[c]
	delete(m.open, c)
	m.mu.Unlock()
	if wc == nil {
		return
	}
	row := wc.now(now)
	row.Closed = &now
	row.Rates = Rates{}
	if row.Reason == "" && err != nil {
		row.Reason = strings.TrimPrefix(err.Error(), "parley: ")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.closed) == maxClosed {
		m.closed = slices.Delete(m.closed, 0, 1)
	}
	m.closed = append(m.closed, row)
}

// message notes a message. It is called with the connection's lock held.
func (m *Monitor) message(w *Watched, t parley.Trace) {
	m.mu.Lock()
	wc := m.open[t.Conn]
	m.mu.Unlock()
	if wc == nil {
		return
	}
	wc.mu.Lock()
	defer wc.mu.Unlock()
	if t.What == "confirmed" {
		n := 1
		if t.Conn.Protocol().Name() == "tinyproto" {
			n = len(t.Bytes) // each is a byte
		}
		wc.unconf.confirmed(n, t.Time, &w.confirm)
		return
	}
	if t.Sent && confirms(t.Conn.Protocol(), t.Message) {
		wc.unconf.sent(t.Time)
	}
	wc.active, wc.sent, wc.kind = t.Time, t.Sent, t.Message.Type()
	switch wc.kind {
	case parley.TypeBytes, parley.TypeText:
		b := t.Message.Bytes()
		wc.length, wc.begin = len(b), append(wc.begin[:0], b[:min(len(b), lastLen)]...)
	case parley.TypeObject:
		wc.length, wc.begin = 0, wc.begin[:0]
	default:
		wc.begin = t.Message.AppendText(wc.begin[:0])
		wc.length = len(wc.begin)
	}
}

// last describes the last message.
func (wc *watchedConn) last() string {
	if wc.kind == 0 && wc.begin == nil {
		return "" // there was none
	}
	arrow := "<"
	if wc.sent {
		arrow = ">"
	}
	switch {
	case wc.kind == parley.TypeObject:
		return arrow + " object"
	case wc.length > len(wc.begin):
		text := strings.ToValidUTF8(string(wc.begin), "")
		if len(text)+utf8.UTFMax > len(wc.begin) { // at most a character was cut
			return fmt.Sprintf("%s %v %q… of %d bytes", arrow, wc.kind, text, wc.length)
		}
		return fmt.Sprintf("%s %v %x… of %d bytes", arrow, wc.kind, wc.begin[:lastLen/2], wc.length)
	case !utf8.Valid(wc.begin):
		return fmt.Sprintf("%s %v %x", arrow, wc.kind, wc.begin)
	}
	return fmt.Sprintf("%s %v %q", arrow, wc.kind, wc.begin)
}

// sample notes the counters, for the rates.
func (wc *watchedConn) sample(now time.Time, s parley.ConnStats) {
	wc.mu.Lock()
	defer wc.mu.Unlock()
	d := now.Sub(wc.sampled).Seconds()
	if d <= 0 {
		return
	}
	counts := countsOf(s)
	wc.rates = counts.since(wc.counts, d)
	wc.sampled, wc.counts = now, counts
}

// now returns the row as it is now.
func (wc *watchedConn) now(now time.Time) Row {
	s := wc.conn.Stats()
	wc.mu.Lock()
	defer wc.mu.Unlock()
	r := wc.row
	r.AgeSeconds = now.Sub(r.Opened).Seconds()
	r.IdleSeconds = max(0, now.Sub(wc.active).Seconds())
	r.Counts, r.Rates = countsOf(s), wc.rates
	r.Last = wc.last()
	r.Reason = wc.killed
	return r
}

// conns returns the open connections.
func (m *Monitor) conns() []*watchedConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*watchedConn, 0, len(m.open))
	for _, wc := range m.open {
		all = append(all, wc)
	}
	slices.SortFunc(all, func(a, b *watchedConn) int { return slices.Compare(a.row.number[:], b.row.number[:]) })
	return all
}

// errNoConn: there is no such connection.
var errNoConn = errors.New("there is no open connection")

// kill ends the connection with that id, and refuses its address for ban.
func (m *Monitor) kill(id, reason string, ban time.Duration) error {
	for _, wc := range m.conns() {
		if wc.row.ID != id {
			continue
		}
		if ban > 0 {
			if err := m.bans.add(wc.row.Address, ban); err != nil {
				return err
			}
		}
		wc.kill(reason)
		return nil
	}
	return fmt.Errorf("%w %.100s", errNoConn, id)
}

// killAll cuts the connections that are open now, rate of them in a second, so
// that their clients do not come back all at once.
func (m *Monitor) killAll(rate int) int {
	all := m.conns()
	go func() {
		for i, wc := range all {
			if i > 0 {
				time.Sleep(time.Second / time.Duration(rate))
			}
			wc.kill("")
		}
	}()
	return len(all)
}

// kill cuts the connection. Its log has the reason.
func (wc *watchedConn) kill(reason string) {
	why := "closed on request"
	if reason != "" {
		why += ": " + reason
	}
	wc.mu.Lock()
	wc.killed = why
	wc.mu.Unlock()
	wc.conn.CloseWith(errors.New(why)) // which has its time: a peer that takes nothing is cut then
}
