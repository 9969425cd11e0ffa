package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// refuse answers with an error, and logs it once a minute for each kind.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	d.counted.refused.Add(1)
	d.once(fmt.Sprint(status, r.Pattern), "a page is refused", "addr", r.RemoteAddr, "path", cut(r.URL.Path, 200), "origin", cut(r.Header.Get("Origin"), 200), "why", cut(why, 200))
	http.Error(w, why, status)
}

// said is when something of a kind was logged, and how often it was left out since.
type said struct {
	at   time.Time
	left int
}

// maxSaid is how many kinds are told apart.
const maxSaid = 100

// once logs something of a kind that pages can cause as often as they like: once a minute,
// and then how often it was left out before. There are few kinds; what else there may be is
// one of them.
func (d *Door) once(kind, what string, attrs ...any) {
	now := time.Now()
	d.mu.Lock()
	if _, known := d.said[kind]; !known && len(d.said) >= maxSaid {
		kind = "others"
	}
	last := d.said[kind]
	again := now.Sub(last.at) < time.Minute
	if again {
		last.left++
		d.said[kind] = last
	} else {
		d.said[kind] = said{at: now}
	}
	d.mu.Unlock()
	if again {
		return
	}
	if last.left > 0 {
		attrs = append(attrs, "left_out", last.left)
	}
	d.log.Warn(what, attrs...)
}

// cut shortens what somebody else has chosen, in whole or in part.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
