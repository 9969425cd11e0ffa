package web

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Options are a door's.
type Options struct {
	Targets []Target
	// Users are those who may come in. Without them everybody who can open a page of the
	// door may do everything: for loopback.
	Users Users
	// Hosts are the names under which the door is reached, HOST or HOST:PORT, besides
	// addresses and localhost: a page that comes under another one is refused.
	Hosts []string
	// Origins are other sites whose pages may come in: https://lab.example:8443.
	Origins []string
	Limits  Limits
	// OnCall is told of each call that has ended, from many goroutines; nil: nobody.
	OnCall func(Call)
	Logger *slog.Logger // nil: silent
}

// Door lets pages in. Its methods may be called concurrently.
type Door struct {
	o       Options
	log     *slog.Logger
	targets map[string]Target
	tickets tickets
	frames  budget        // that come
	made    budget        // that wait for pages
	large   chan struct{} // held by who parses a large frame
	plots   plots
	counted counters

	mu      sync.Mutex
	closed  bool
	last    uint64
	sockets map[*socket]struct{}
	perAddr map[netip.Addr]int
	said    map[string]said // what was logged of each kind
	wg      sync.WaitGroup
}

// New returns a Door.
func New(o Options) (*Door, error) {
	o.Limits = o.Limits.withDefaults()
	d := &Door{o: o, log: o.Logger, targets: make(map[string]Target), sockets: make(map[*socket]struct{}),
		perAddr: make(map[netip.Addr]int), said: make(map[string]said), large: make(chan struct{}, largeFrames)}
	d.frames.most, d.made.most = o.Limits.Frames, o.Limits.Frames
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	for _, t := range o.Targets {
		if _, twice := d.targets[t.Name()]; twice {
			return nil, fmt.Errorf("web: two targets are named %s", t.Name())
		}
		if t.Name() == "" || t.Name() == "*" {
			return nil, fmt.Errorf("web: a target can't be named %q", t.Name())
		}
		d.targets[t.Name()] = t
	}
	for _, origin := range o.Origins {
		if u, err := url.Parse(origin); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" {
			return nil, fmt.Errorf("web: %q is not an origin: want https://HOST[:PORT]", origin)
		}
	}
	return d, nil
}

//go:embed parley.js
var script []byte

// Handler returns the door's pages: /ws, /ticket, /events, /series, /login, /parley.js
// and /targets. What
// else a site has goes beside it, behind Guard.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ticket", d.ticket)
	mux.HandleFunc("OPTIONS /ticket", d.preflight)
	mux.HandleFunc("GET /ws", d.socket)
	mux.HandleFunc("GET /events", d.events)
	mux.HandleFunc("GET /targets", d.list)
	mux.HandleFunc("GET /series", d.series)
	mux.HandleFunc("POST /login", d.login)
	mux.HandleFunc("GET /login", d.mustLogIn)
	mux.HandleFunc("GET /parley.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(script)
	})
	return d.Guard(mux)
}

// Guard refuses requests that came under a name that is not the door's, and sets the
// headers that keep pages to themselves.
func (d *Door) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.knownHost(r.Host) {
			d.refuse(w, r, http.StatusMisdirectedRequest, "the name "+r.Host+" is not this door's: use an address or localhost, or name it with --host")
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// knownHost reports whether a request's host is one of ours. An address can't be
// another site's name.
func (d *Door) knownHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if name == "localhost" || net.ParseIP(name) != nil {
		return true
	}
	return slices.ContainsFunc(d.o.Hosts, func(known string) bool {
		return strings.EqualFold(known, host) || strings.EqualFold(known, name)
	})
}

// knownOrigin reports whether a page that has sent r may come in. own means that it has said
// which page it is: a browser always does where it matters.
func (d *Door) knownOrigin(r *http.Request) (known, own bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true, false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false, true
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if strings.EqualFold(u.Host, r.Host) && u.Scheme == scheme {
		return true, true
	}
	return slices.ContainsFunc(d.o.Origins, func(o string) bool { return strings.EqualFold(o, origin) }), true
}

// sessionCookie holds the token of somebody who has logged in.
const sessionCookie = "parley"

// who returns who has sent r: by a token in the header or the cookie, or, without
// users, anybody. page says that it is a page of ours or of a listed site.
func (d *Door) who(r *http.Request) (c caller, err error) {
	known, page := d.knownOrigin(r)
	if !known {
		return caller{}, errForeign
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if u, ok := d.o.Users.find(token); ok {
			return caller{u.Name, u.Grant}, nil
		}
		return caller{}, errToken
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil && len(d.o.Users) > 0 {
		if u, ok := d.o.Users.find(cookie.Value); ok {
			return caller{u.Name, u.Grant}, nil
		}
		return caller{}, errToken
	}
	if len(d.o.Users) > 0 {
		return caller{}, errLogin
	}
	if !page && r.Method != http.MethodGet {
		return caller{}, errNoOrigin
	}
	return caller{grant: Grant{"*": All}}, nil
}

var (
	errForeign  = errors.New("a page of another site may not come in: start the door with its origin listed (--origin)")
	errToken    = errors.New("this token is nobody's: parley web token makes one")
	errLogin    = errors.New("log in, or send Authorization: Bearer TOKEN; parley web token makes one")
	errNoOrigin = errors.New("a program that is no browser needs a token: Authorization: Bearer TOKEN; parley web token makes one")
)

// turnAway answers a request whose sender may not.
func (d *Door) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusUnauthorized
	if errors.Is(err, errForeign) {
		status = http.StatusForbidden
	}
	d.refuse(w, r, status, err.Error())
}

// ticket gives a page what opens one socket.
func (d *Door) ticket(w http.ResponseWriter, r *http.Request) {
	c, err := d.who(r)
	if err != nil {
		d.turnAway(w, r, err)
		return
	}
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	text := d.tickets.issue(c, addr.Addr().Unmap())
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Vary", "Origin")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(w, "{\"ticket\":%q}\n", text)
}

// preflight lets a browser send the ticket's request of a listed site with a token. To others
// it says nothing: theirs is not sent.
func (d *Door) preflight(w http.ResponseWriter, r *http.Request) {
	known, page := d.knownOrigin(r)
	if !known || !page {
		d.turnAway(w, r, errForeign)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	h.Add("Vary", "Origin, Access-Control-Request-Private-Network")
	h.Set("Access-Control-Allow-Methods", "POST")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type")
	h.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" { // from a public site to this network
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// infos tells c which targets it may reach.
func (d *Door) infos(c caller) []targetInfo {
	all := []targetInfo{}
	for _, t := range d.o.Targets {
		if s := c.grant["*"] | c.grant[t.Name()]; s != 0 {
			all = append(all, targetInfo{t.Name(), t.Kind(), s.String(), t.State()})
		}
	}
	return all
}

func (d *Door) list(w http.ResponseWriter, r *http.Request) {
	c, err := d.who(r)
	if err != nil {
		d.turnAway(w, r, err)
		return
	}
	answerJSON(w, response{User: c.name, Scopes: c.grant["*"].String(), Targets: d.infos(c)})
}

// target returns a target for somebody who wants to do s with it. Who may not even read
// it is not told that it exists.
func (d *Door) target(c caller, name string, s Scope) (Target, error) {
	t := d.targets[name]
	switch {
	case name == "":
		return nil, errors.New(`"to" is missing: the name of a target`)
	case t == nil, c.grant["*"]|c.grant[name] == 0:
		return nil, fmt.Errorf("there is no target %.100q: %s", name, d.names(c))
	case !c.grant.May(name, s):
		return nil, fmt.Errorf("you may not %s %s", s, name)
	}
	return t, nil
}

func (d *Door) names(c caller) string {
	var names []string
	for _, i := range d.infos(c) {
		names = append(names, i.Name)
	}
	if len(names) == 0 {
		return "there are none for you"
	}
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return "there are " + strings.Join(names, ", ")
}

// enter takes a place for a socket.
func (d *Door) enter(s *socket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return errClosing
	case len(d.sockets) >= d.o.Limits.Sockets:
		return fmt.Errorf("%d sockets are open, which is all there may be", len(d.sockets))
	case d.perAddr[s.addr] >= d.o.Limits.SocketsPerAddr:
		return fmt.Errorf("%d sockets of your address are open, which is all there may be", d.perAddr[s.addr])
	}
	d.last++
	s.id = fmt.Sprintf("w%d", d.last)
	d.counted.opened.Add(1)
	d.sockets[s] = struct{}{}
	d.perAddr[s.addr]++
	d.wg.Add(1)
	return nil
}

var errClosing = errors.New("the door is closing")

func (d *Door) leave(s *socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sockets, s)
	if d.perAddr[s.addr]--; d.perAddr[s.addr] == 0 {
		delete(d.perAddr, s.addr)
	}
	d.wg.Done()
}

// Close closes all sockets with status 1001, so that pages look for another door, and
// waits for their end until ctx ends.
func (d *Door) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	open := make([]*socket, 0, len(d.sockets))
	for s := range d.sockets {
		open = append(open, s)
	}
	d.mu.Unlock()
	for _, s := range open {
		go s.goAway()
	}
	d.plots.close()
	ended := make(chan struct{})
	go func() {
		d.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		for _, s := range open {
			s.ws.CloseNow()
		}
		<-ended
		return ctx.Err()
	}
}
