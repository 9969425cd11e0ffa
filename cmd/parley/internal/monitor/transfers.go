package monitor

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/transfer"
)

// maxTransfers is how many transfers that have ended are remembered.
const maxTransfers = 100

// Transfers are the files that a transfer.Server moves. The zero value has none.
type Transfers struct {
	mu    sync.Mutex
	last  uint64
	moves map[*parley.Conn]*move
	ended []TransferRow // the oldest first
}

// move is a transfer that is under way.
type move struct {
	TransferRow
	began time.Time
	from  int64 // what was there already
}

// TransferRow is what is told of a transfer.
type TransferRow struct {
	ID     string  `json:"id"`
	Peer   string  `json:"peer"`
	Path   string  `json:"path"`
	Upload bool    `json:"upload"` // to the server
	Size   int64   `json:"size"`
	Done   int64   `json:"done"` // bytes
	TookS  float64 `json:"took_s"`
	Rate   float64 `json:"rate"` // bytes a second
	Ended  bool    `json:"ended"`
	Error  string  `json:"error,omitempty"`
}

// Watch watches a server, whose hooks are kept: call it before the first connection.
func (ts *Transfers) Watch(srv *transfer.Server) {
	progress, end := srv.OnProgress, srv.OnEnd
	srv.OnProgress = func(c *parley.Conn, t transfer.Transfer) {
		ts.moved(c, t)
		if progress != nil {
			progress(c, t)
		}
	}
	srv.OnEnd = func(c *parley.Conn, t transfer.Transfer, err error) {
		ts.over(c, t, err)
		if end != nil {
			end(c, t, err)
		}
	}
}

func (ts *Transfers) moved(c *parley.Conn, t transfer.Transfer) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.note(c, t)
}

// note notes how far a transfer is, with the lock held.
func (ts *Transfers) note(c *parley.Conn, t transfer.Transfer) *move {
	m := ts.moves[c]
	if m == nil {
		ts.last++
		m = &move{began: time.Now(), from: t.Done, TransferRow: TransferRow{ID: strconv.FormatUint(ts.last, 10), Peer: c.RemoteAddr().String(), Path: t.Path, Upload: t.Upload}}
		if ts.moves == nil {
			ts.moves = make(map[*parley.Conn]*move)
		}
		ts.moves[c] = m
	}
	m.Size, m.Done = t.Size, t.Done
	return m
}

func (ts *Transfers) over(c *parley.Conn, t transfer.Transfer, err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	m := ts.note(c, t)
	delete(ts.moves, c)
	row := m.row(time.Now())
	row.Ended = true
	if err != nil {
		row.Error = err.Error()
	}
	if len(ts.ended) == maxTransfers {
		ts.ended = slices.Delete(ts.ended, 0, 1)
	}
	ts.ended = append(ts.ended, row)
}

// row returns the row as it is now.
func (m *move) row(now time.Time) TransferRow {
	r := m.TransferRow
	if r.TookS = now.Sub(m.began).Seconds(); r.TookS > 0 {
		r.Rate = float64(m.Done-m.from) / r.TookS
	}
	return r
}

// rows returns those that are under way, and those that have ended.
func (ts *Transfers) rows() []TransferRow {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	all := []TransferRow{}
	for _, m := range ts.moves {
		all = append(all, m.row(time.Now()))
	}
	return append(all, ts.ended...)
}

// cancel ends the connection of a transfer, and reports whether there was one.
func (ts *Transfers) cancel(id string) bool {
	ts.mu.Lock()
	var conn *parley.Conn
	for c, m := range ts.moves {
		if m.ID == id {
			conn = c
		}
	}
	ts.mu.Unlock()
	if conn != nil {
		conn.CloseNow()
	}
	return conn != nil
}

// Handler answers /transfers and, from this machine, POST /cancel?id=ID.
func (ts *Transfers) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /transfers", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, struct {
			Transfers []TransferRow `json:"transfers"`
		}{ts.rows()})
	})
	mux.HandleFunc("POST /cancel", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isLoopback(r.RemoteAddr):
			http.Error(w, "transfers can be cancelled from the server's own machine only", http.StatusForbidden)
		case !ts.cancel(r.URL.Query().Get("id")):
			http.Error(w, "there is no such transfer under way", http.StatusNotFound)
		}
	})
	return local(http.NewCrossOriginProtection().Handler(mux))
}
