package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// subprotocol is the name of this language.
const subprotocol = "parley.v1"

// tooBigTime is how long the rest of a frame that is too large is read, to be thrown away.
const tooBigTime = time.Second

// socket is one page's. One goroutine reads it (run); each subscription and each call
// writes for itself, which websocket.Conn allows.
type socket struct {
	door    *Door
	ws      *websocket.Conn
	addr    netip.Addr
	peer    string
	id      string // its name at this door
	caller  caller
	ctx     context.Context
	calls   chan struct{}              // a place for each call, and each send to a device, under way
	lanes   map[Target]<-chan struct{} // closed when the last send to a device has ended; run's
	ended   sync.WaitGroup
	kill    func(error)   // of a reader without a WebSocket
	writing chan struct{} // held by who makes and writes the frame of a value

	mu   sync.Mutex
	subs map[uint32]*subscription
}

// socket serves a page.
func (d *Door) socket(w http.ResponseWriter, r *http.Request) {
	if known, _ := d.knownOrigin(r); !known {
		d.turnAway(w, r, errForeign)
		return
	}
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	s := &socket{door: d, addr: addr.Addr().Unmap(), peer: r.RemoteAddr, calls: make(chan struct{}, d.o.Limits.Calls), subs: make(map[uint32]*subscription), writing: make(chan struct{}, 1), lanes: make(map[Target]<-chan struct{})}
	if err := d.enter(s); err != nil {
		d.refuse(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, InsecureSkipVerify: true, // knownOrigin has looked
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		d.log.Debug("no WebSocket", "addr", s.peer, "err", err)
		d.leave(s)
		return
	}
	s.ws = ws
	go s.run() // the request, its goroutine's stack and its buffers are let go of
}

// run serves the page to its end.
func (s *socket) run() {
	defer s.door.leave(s)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.ctx = ctx
	code, reason := s.serve()
	cancel()
	s.closeSubs()
	s.ended.Wait()
	if code == websocket.StatusMessageTooBig {
		// What the page still sends is thrown away for a moment: a connection that ends
		// with something unread takes back what was said.
		defer time.AfterFunc(tooBigTime, func() { s.ws.CloseNow() }).Stop()
	}
	s.ws.Close(code, reason)
}

// serve reads the page's frames until the end, and returns the status to close with.
func (s *socket) serve() (websocket.StatusCode, string) {
	if s.ws.Subprotocol() != subprotocol {
		return websocket.StatusPolicyViolation, "the subprotocol is " + subprotocol
	}
	if err := s.hello(); err != nil {
		s.door.counted.refused.Add(1)
		s.door.once("hello", "a socket is refused", "addr", s.peer, "why", err)
		s.fail(nil, err)
		return websocket.StatusPolicyViolation, short(err.Error())
	}
	s.ws.SetReadLimit(-1) // read sees to it, and says how large a frame may be
	for {
		kind, b, give, err := s.read()
		if err != nil {
			return s.endOf(err)
		}
		s.door.counted.received.Add(1)
		s.frame(kind, b, give)
	}
}

// endOf returns the status for the end of reading.
func (s *socket) endOf(err error) (websocket.StatusCode, string) {
	if errors.Is(err, errNoRoom) {
		return websocket.StatusTryAgainLater, err.Error()
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return websocket.StatusMessageTooBig, fmt.Sprintf("a frame has at most %d bytes", s.door.o.Limits.Frame)
	}
	if websocket.CloseStatus(err) < 0 { // it is not the page that has closed
		return websocket.StatusProtocolError, short("what came is no frame of a WebSocket: " + err.Error())
	}
	return websocket.StatusNormalClosure, ""
}

var errNoRoom = errors.New("too much is under way here: try again later")

// hello reads the first frame, which says who the page is.
func (s *socket) hello() error {
	const maxHello = 4 << 10
	s.ws.SetReadLimit(maxHello)
	ctx, cancel := context.WithTimeout(s.ctx, s.door.o.Limits.Hello)
	defer cancel()
	kind, b, err := s.ws.Read(ctx)
	if err != nil {
		return fmt.Errorf("no hello: %w", err)
	}
	req, err := parseRequest(b)
	if err != nil || kind != websocket.MessageText || req.Op != "hello" {
		return errors.New(`the first frame is {"op":"hello","ticket":"…"}, with what POST /ticket has given`)
	}
	ok := false
	switch {
	case req.Ticket != "":
		s.caller, ok = s.door.tickets.use(req.Ticket)
	case req.Token != "":
		var u User
		u, ok = s.door.o.Users.find(req.Token)
		s.caller = caller{u.Name, u.Grant}
	}
	if !ok {
		return errors.New("this ticket was used, is older than half a minute, has made room for newer ones, or is none: POST /ticket gives one")
	}
	return s.write(response{Op: "hello", User: s.caller.name, Scopes: s.caller.grant["*"].String(), Targets: s.door.infos(s.caller)})
}

// read reads a frame, whose bytes count for the door until give is called.
func (s *socket) read() (kind websocket.MessageType, b []byte, give func(), err error) {
	kind, r, err := s.ws.Reader(s.ctx)
	if err != nil {
		return 0, nil, nil, err
	}
	held := int64(0)
	give = func() { s.door.frames.give(held) }
	buf := make([]byte, 0, 512)
	for {
		if len(buf) == cap(buf) {
			grow := int64(cap(buf)) // doubled
			if !s.door.frames.take(grow) {
				give()
				return 0, nil, nil, errNoRoom
			}
			held += grow
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > s.door.o.Limits.Frame {
			give()
			return 0, nil, nil, websocket.ErrMessageTooBig
		}
		if err == io.EOF {
			return kind, buf, give, nil
		}
		if err != nil {
			give()
			return 0, nil, nil, err
		}
	}
}

// frame does what a frame asks for.
func (s *socket) frame(kind websocket.MessageType, b []byte, give func()) {
	req, m, more, err := s.door.parse(kind, b)
	if more != nil {
		frame := give
		give = func() { more(); frame() }
	}
	if err != nil {
		give()
		if req.To != "" {
			err = fmt.Errorf("%.100s: %w", req.To, err)
		}
		s.fail(&req, err)
		return
	}
	switch req.Op {
	case "call":
		s.call(req, m, give)
		return
	case "send":
		s.send(req, m, give)
		return
	case "sub":
		err = s.subscribe(req)
	case "unsub":
		err = s.unsubscribe(req)
	case "ack":
		err = s.ack(req)
	case "pixel":
		if err = s.pixel(req); err == nil {
			give()
			return
		}
	case "who", "nodes":
		ask := s.members
		if req.Op == "nodes" {
			ask = s.nodes
		}
		if len(req.Ref) == 0 {
			err = errors.New(`a question needs a "ref", which its answer has too`)
		} else if err = ask(req); err == nil {
			give()
			return
		}
	case "kill":
		err = s.end(req)
	case "ping":
		err = s.write(response{Op: "pong", Ref: req.Ref})
	default:
		err = fmt.Errorf("there is no op %.40q: use sub, unsub, ack, send, call, pixel, who, nodes, kill or ping", req.Op)
	}
	give()
	if req.Op != "ping" || err != nil {
		s.done(&req, err)
	}
}

// done tells the page that what it asked for is done, or why not.
func (s *socket) done(req *request, err error) {
	if err != nil {
		s.fail(req, err)
	} else if len(req.Ref) > 0 {
		s.write(response{Op: "ok", Ref: req.Ref})
	}
}

// fail tells the page what is wrong with what it asked for.
func (s *socket) fail(req *request, err error) {
	r := response{Error: cut(err.Error(), 1000)} // which may quote the page
	if req != nil {
		r.Ref = req.Ref
		if req.Op == "sub" || req.Op == "unsub" || req.Op == "ack" {
			r.ID = req.ID
		}
	}
	s.write(r)
}

// write writes a frame. It takes as long as the page does, and ends with the socket.
func (s *socket) write(r response) error {
	return s.ws.Write(s.ctx, websocket.MessageText, r.encode())
}

// goAway ends the socket so that its page looks for another door.
func (s *socket) goAway() {
	if s.ws == nil {
		s.kill(errClosing)
		return
	}
	s.ws.Close(websocket.StatusGoingAway, errClosing.Error())
}

// short cuts a reason to what a close frame takes.
func short(s string) string {
	for len(s) > 120 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
