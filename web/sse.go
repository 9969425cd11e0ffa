package web

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// events serves a target to those who only read: server-sent events, each with the frame
// that a socket would get, and its sequence as id.
func (d *Door) events(w http.ResponseWriter, r *http.Request) {
	c, err := d.who(r)
	if err != nil {
		d.turnAway(w, r, err)
		return
	}
	t, err := d.target(c, r.URL.Query().Get("to"), Read)
	if err != nil {
		d.refuse(w, r, http.StatusNotFound, err.Error())
		return
	}
	policy := r.URL.Query().Get("policy")
	if policy != "" && policy != "drop" && policy != "latest" {
		d.refuse(w, r, http.StatusBadRequest, fmt.Sprintf("there is no policy %.40q here: use latest or drop", policy))
		return
	}
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	place := &socket{door: d, addr: addr.Addr().Unmap(), peer: r.RemoteAddr, caller: c}
	if err := d.enter(place); err != nil {
		d.refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer d.leave(place)
	flush := http.NewResponseController(w)
	flush.SetWriteDeadline(time.Time{}) // it takes as long as the reader likes
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ended := make(chan error, 1)
	kill := func(err error) {
		select {
		case ended <- err:
		default:
		}
	}
	place.kill = kill
	l := d.o.Limits
	messages := make(chan Message)
	sub, err := t.Subscribe(place.options(l.CreditMessages, l.CreditBytes, policy == "latest", kill), func(m Message) {
		select {
		case messages <- m:
		case <-r.Context().Done():
		}
	})
	if err != nil {
		d.refuse(w, r, http.StatusServiceUnavailable, t.Name()+": "+err.Error())
		return
	}
	defer sub.Close()
	fmt.Fprint(w, ": listening\n\n")
	for seq := uint64(1); flush.Flush() == nil; seq++ {
		select {
		case m := <-messages:
			if d.writeEvent(w, seq, m) != nil {
				return
			}
		case err := <-ended:
			fmt.Fprintf(w, "event: end\ndata: %s\n\n", strings.ReplaceAll(err.Error(), "\n", " "))
			return
		case <-r.Context().Done():
			return
		}
	}
}

// writeEvent writes a message as an event.
func (d *Door) writeEvent(w io.Writer, seq uint64, m Message) error {
	o := event(0, seq, m, false)
	if n := int64(cap(o.before)); n > smallFrame {
		if d.made.take(n) {
			defer d.made.give(n)
		} else {
			o = event(0, seq, Message{Missed: 1, At: m.At}, false)
		}
	}
	if _, err := fmt.Fprintf(w, "id: %d\ndata: ", seq); err != nil {
		return err
	}
	if err := o.writeTo(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n\n")
	return err
}
