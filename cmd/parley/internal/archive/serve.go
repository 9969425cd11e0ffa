package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

const (
	// maxFound is how many entries one answer has, maxFoundBytes how large it may be.
	maxFound      = 10_000
	maxFoundBytes = 32 << 20
)

// Pages answers pages that look into a store.
type Pages struct {
	db *sqlite.DB

	mu       sync.Mutex // held while the sessions are counted, which takes long in a large store
	sessions []store.Session
	until    time.Time // they need not be counted again before
}

// NewPages returns what looks into db.
func NewPages(db *sqlite.DB) *Pages { return &Pages{db: db} }

// Handler answers /sessions, /found and /export.
func (p *Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sessions", p.list)
	mux.HandleFunc("GET /found", p.found)
	mux.HandleFunc("GET /export", p.export)
	return mux
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if began := time.Now(); began.After(p.until) {
		all, err := p.db.Sessions(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		p.sessions = all
		p.until = time.Now().Add(20 * time.Since(began))
	}
	sessions := slices.Clone(p.sessions)
	if sessions == nil {
		sessions = []store.Session{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(struct {
		Sessions []store.Session `json:"sessions"`
	}{sessions})
}

// query reads what is looked for.
func query(r *http.Request) (q store.Query, err error) {
	v := r.URL.Query()
	q = store.Query{Text: v.Get("text"), Peer: v.Get("peer"), Limit: 1000}
	point := func(name string) (t time.Time) {
		if text := v.Get(name); text != "" && err == nil {
			if t, err = time.Parse(time.RFC3339Nano, text); err != nil {
				err = fmt.Errorf("%s: want a point in time such as 2026-11-20T10:37:01Z", name)
			}
		}
		return t
	}
	number := func(name string, or int64) int64 {
		n := or
		if text := v.Get(name); text != "" && err == nil {
			if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 1 {
				err = fmt.Errorf("%s: want a number from 1", name)
			}
		}
		return n
	}
	q.From, q.To = point("from"), point("to")
	q.Session, q.Limit = number("session", 0), int(min(maxFound, number("limit", 1000)))
	return q, err
}

// found answers with the entries that are looked for, as "parley find --json" has them.
func (p *Pages) found(w http.ResponseWriter, r *http.Request) {
	q, err := query(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	most := q.Limit
	q.Limit++ // to know whether there are more
	var out bytes.Buffer
	n, more := 0, false
	var line []byte
	out.WriteString(`{"entries":[`)
	err = p.db.Find(r.Context(), q, func(f store.Found) (err error) {
		if n == most || out.Len() > maxFoundBytes {
			more = true
			return errEnough
		}
		if n++; n > 1 {
			out.WriteByte(',')
		}
		if line, err = FoundLine(line[:0], &f); err == nil {
			out.Write(bytes.TrimSuffix(line, []byte("\n")))
		}
		return err
	})
	if err != nil && err != errEnough {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(&out, "],\"more\":%v}\n", more)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(out.Bytes())
}

// errEnough ends a reading, or a search.
var errEnough = errors.New("enough")

// export sends a session as a file.
func (p *Pages) export(w http.ResponseWriter, r *http.Request) {
	format := r.URL.Query().Get("to")
	session, err := strconv.ParseInt(r.URL.Query().Get("session"), 10, 64)
	if err != nil || !slices.Contains(Formats, format) {
		http.Error(w, "want ?session=N&to="+strings.Join(Formats, "|"), http.StatusBadRequest)
		return
	}
	if _, err := p.db.Session(r.Context(), session); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) // it is as long as it is
	w.Header().Set("Content-Type", map[string]string{"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}[format])
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="session-%d.%s"`, session, format))
	w.Header().Set("Cache-Control", "no-store")
	out := &begun{ResponseWriter: w}
	if err := Export(r.Context(), p.db, session, format, out); err != nil {
		if out.yes {
			panic(http.ErrAbortHandler) // what has left can't be called back: the file is cut off
		}
		w.Header().Del("Content-Disposition")
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
}

// begun is an answer that knows whether it has begun.
type begun struct {
	http.ResponseWriter
	yes bool
}

// Write is the answer's.
func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}
