package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-net/parley/cluster"
)

// maxBan is the longest ban.
const maxBan = 24 * time.Hour

// room returns the room that a page names, for those who may do s there.
func (d *Door) room(c caller, name string, s Scope) (*cluster.Room, error) {
	t, err := d.target(c, name, s)
	if err != nil {
		return nil, err
	}
	r, ok := t.(*Room)
	if !ok {
		return nil, fmt.Errorf("%s is a %s, not a room: only rooms have members", name, t.Kind())
	}
	return r.room, nil
}

// members answers who is in a room, on all nodes.
func (s *socket) members(req request) error {
	room, err := s.door.room(s.caller, req.To, Read)
	if err != nil {
		return err
	}
	members, silent := room.Node().Who(s.ctx, room.Name())
	if members == nil {
		members = []cluster.Member{}
	}
	return s.write(response{Ref: req.Ref, Members: &members, Silent: silent})
}

// nodes answers which nodes there are.
func (s *socket) nodes(req request) error {
	if !s.caller.grant.May("*", Admin) {
		return errors.New("you may not admin *")
	}
	nodes := []cluster.NodeInfo{}
	for _, t := range s.door.o.Targets { // all that have a node have the same
		switch t := t.(type) {
		case *Room:
			nodes = t.room.Node().Nodes()
		case *Owned:
			nodes = t.device.Node().Nodes()
		}
	}
	return s.write(response{Ref: req.Ref, Nodes: &nodes})
}

// end ends a connection that is in a room.
func (s *socket) end(req request) error {
	room, err := s.door.room(s.caller, req.To, Kill)
	if err != nil {
		return err
	}
	ban := time.Duration(req.Ban * float64(time.Second))
	if !(req.Ban >= 0) || ban > maxBan {
		return fmt.Errorf(`"ban" is at most %v, in seconds`, maxBan)
	}
	if len(req.Reason) > 1000 {
		return errors.New(`"reason" has at most 1000 bytes`)
	}
	members, _ := room.Node().Who(s.ctx, room.Name())
	for _, m := range members {
		if m.Node+"/"+m.ID == req.Conn {
			s.door.log.Info("a page ends a connection", "user", s.caller.name, "addr", s.peer, "room", room.Name(), "conn", req.Conn, "reason", req.Reason)
			return room.Node().Kill(s.ctx, req.Conn, req.Reason, ban)
		}
	}
	return fmt.Errorf("%w in %s: %.200q; who tells them", cluster.ErrNoConn, room.Name(), req.Conn)
}

// Require lets those through to next who may do s with everything.
func (d *Door) Require(s Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := d.who(r)
		if err != nil {
			d.turnAway(w, r, err)
			return
		}
		if !c.grant.May("*", s) {
			d.refuse(w, r, http.StatusForbidden, fmt.Sprintf("you may not %s *", s))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// login gives a page a cookie for a token, or takes it away.
func (d *Door) login(w http.ResponseWriter, r *http.Request) {
	known, page := d.knownOrigin(r)
	if !known || !page {
		d.turnAway(w, r, errForeign)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	token := r.PostFormValue("token")
	cookie := http.Cookie{Name: sessionCookie, Value: token, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: -1}
	if token != "" {
		u, ok := d.o.Users.find(token)
		if !ok {
			d.turnAway(w, r, errToken)
			return
		}
		d.log.Info("a user has logged in", "user", u.Name, "addr", r.RemoteAddr)
		cookie.MaxAge = int((7 * 24 * time.Hour).Seconds())
	}
	http.SetCookie(w, &cookie)
	w.WriteHeader(http.StatusNoContent)
}

// mustLogIn tells a page whether it has to log in first. It is no error to ask.
func (d *Door) mustLogIn(w http.ResponseWriter, r *http.Request) {
	_, err := d.who(r)
	answerJSON(w, map[string]bool{"login": err != nil})
}

// Call is a call that a page has made, for who counts them.
type Call struct {
	Target string
	Took   time.Duration
	Err    error
}

// told tells Options.OnCall.
func (d *Door) told(ctx context.Context, t Target, began time.Time, err error) {
	d.counted.calls.Add(1)
	if d.o.OnCall != nil && !errors.Is(ctx.Err(), context.Canceled) {
		d.o.OnCall(Call{t.Name(), time.Since(began), err})
	}
}
