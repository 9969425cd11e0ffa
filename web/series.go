package web

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// seriesSeconds is how far back a plot can look.
	seriesSeconds = 600
	maxSeries     = 64
	// maxNumberText is the longest text in which numbers are looked for.
	maxNumberText = 64 << 10
)

var number = regexp.MustCompile(`[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`)

// seriesKey says what a series is: the nth number in what is said by dir, if given.
type seriesKey struct {
	to, dir string
	n       int
}

// series keeps a number of a target's messages, second by second. It lives as long as
// somebody asks for it, and a while longer: who comes back to a plot finds it whole.
type series struct {
	handle Subscription

	mu    sync.Mutex
	asked time.Time
	ring  [seriesSeconds]point
}

// point is what a number was in one second.
type point struct {
	second         int64
	low, high, end float64
	count          int
}

// MarshalJSON writes a point as [second, low, high, last, count].
func (p point) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{p.second, p.low, p.high, p.end, p.count})
}

// numberIn returns the nth number in a message, from 1.
func numberIn(m Message, n int) (float64, bool) {
	_, value := plainValue(m)
	if m.Missed > 0 || len(value) > maxNumberText || !utf8.Valid(value) {
		return 0, false
	}
	all := number.FindAll(value, n)
	if len(all) < n {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(all[n-1]), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

func (s *series) add(at time.Time, v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	second := at.Unix()
	p := &s.ring[((second%seriesSeconds)+seriesSeconds)%seriesSeconds]
	if p.second != second {
		*p = point{second: second, low: v, high: v}
	}
	p.low, p.high, p.end = min(p.low, v), max(p.high, v), v
	p.count++
}

// since returns the points from a second on, the oldest first.
func (s *series) since(second int64, now time.Time) []point {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = now
	points := []point{}
	for t := max(second, now.Unix()-seriesSeconds+1); t <= now.Unix()+1; t++ {
		if p := s.ring[((t%seriesSeconds)+seriesSeconds)%seriesSeconds]; p.second == t && p.count > 0 {
			points = append(points, p)
		}
	}
	return points
}

// plots are the series that are kept.
type plots struct {
	mu     sync.Mutex
	all    map[seriesKey]*series
	closed bool
}

// get returns a series, which begins if there was none. Those that nobody has asked for
// in the time that a plot shows end.
func (p *plots) get(key seriesKey, begin func(take func(Message)) (Subscription, error)) (*series, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for k, s := range p.all {
		s.mu.Lock()
		old := now.Sub(s.asked) > seriesSeconds*time.Second
		s.mu.Unlock()
		if old && k != key {
			s.handle.Close()
			delete(p.all, k)
		}
	}
	if s := p.all[key]; s != nil {
		return s, nil
	}
	if p.closed {
		return nil, errClosing
	}
	if len(p.all) >= maxSeries {
		return nil, fmt.Errorf("%d numbers are being kept, which is all there may be: one that nobody looks at ends after ten minutes", maxSeries)
	}
	s := &series{asked: now}
	var err error
	s.handle, err = begin(func(m Message) {
		if v, ok := numberIn(m, key.n); ok && (key.dir == "" || key.dir == m.Dir) {
			s.add(m.At, v)
		}
	})
	if err != nil {
		return nil, err
	}
	if p.all == nil {
		p.all = make(map[seriesKey]*series)
	}
	p.all[key] = s
	return s, nil
}

// close ends all series.
func (p *plots) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for k, s := range p.all {
		s.handle.Close()
		delete(p.all, k)
	}
}

// series answers with what a number in a target's messages was in the last ten minutes.
func (d *Door) series(w http.ResponseWriter, r *http.Request) {
	c, err := d.who(r)
	if err != nil {
		d.turnAway(w, r, err)
		return
	}
	q := r.URL.Query()
	t, err := d.target(c, q.Get("to"), Read)
	if err != nil {
		d.refuse(w, r, http.StatusNotFound, err.Error())
		return
	}
	key := seriesKey{to: t.Name(), dir: q.Get("dir"), n: 1}
	since := int64(0)
	if text := q.Get("number"); text != "" {
		key.n, err = strconv.Atoi(text)
	}
	if text := q.Get("since"); err == nil && text != "" {
		since, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil || key.n < 1 || key.n > 1000 || key.dir != "" && key.dir != "c2s" && key.dir != "s2c" {
		d.refuse(w, r, http.StatusBadRequest, "want ?to=TARGET, and number=1 to 1000, dir=c2s or s2c, since=SECONDS if at all")
		return
	}
	l := d.o.Limits
	s, err := d.plots.get(key, func(take func(Message)) (Subscription, error) {
		return t.Subscribe(SubscribeOptions{ID: "plot", Messages: 16 * l.CreditMessages, Bytes: l.CreditBytes, Unlisted: true, Kill: func(error) {}}, take)
	})
	if err != nil {
		d.refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	now := time.Now()
	answerJSON(w, struct {
		Now    int64   `json:"now"`
		Points []point `json:"points"`
	}{now.Unix(), s.since(since, now)})
}

// answerJSON answers with a value.
func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}
