package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/web"
)

// house is a door with a room and a device behind it.
type house struct {
	door *web.Door
	room *cluster.Room
	url  string
}

// build builds a house. The device answers with what it gets, and "later" never.
func build(t *testing.T, o web.Options, more ...web.Target) *house {
	t.Helper()
	b := new(bus.Memory).Connect()
	t.Cleanup(func() { b.Close() })
	node, err := cluster.Start(t.Context(), b, cluster.Options{Name: "lab1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close(context.Background()) })
	h := new(house)
	if h.room, err = node.Room("cam1", cluster.RoomOptions{}); err != nil {
		t.Fatal(err)
	}
	addr := parleytest.NewServer(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "later" {
				return nil
			}
			return c.Send(ctx, parley.Text("got "+m.Text()))
		})})
	client := &parley.Client{Addr: addr}
	client.Dialer.Protocol = oneline.Protocol{}
	t.Cleanup(func() { client.Close() })
	o.Targets = append([]web.Target{web.NewRoom(h.room), web.NewDevice("psu1", client)}, more...)
	if h.door, err = web.New(o); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h.door.Handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		h.door.Close(ctx)
		srv.Close()
	})
	h.url = srv.URL
	return h
}

// ticket asks for one as a page of the door.
func (h *house) ticket(t *testing.T) string {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", h.url+"/ticket", nil)
	req.Header.Set("Origin", h.url)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || len(got.Ticket) < 43 {
		t.Fatalf("%s: %v, %+v", res.Status, err, got)
	}
	return got.Ticket
}

// page is a page's socket.
type page struct {
	t  *testing.T
	ws *websocket.Conn
}

func (h *house) dial(t *testing.T, header http.Header) (*page, error) {
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(h.url, "http", "ws", 1)+"/ws", &websocket.DialOptions{Subprotocols: []string{"parley.v1"}, HTTPHeader: header})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(100 << 20)
	t.Cleanup(func() { ws.CloseNow() })
	return &page{t, ws}, nil
}

// open opens a page's socket and says hello.
func (h *house) open(t *testing.T) *page {
	t.Helper()
	p, err := h.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.say(`{"op":"hello","ticket":"` + h.ticket(t) + `"}`)
	if got := p.hear(); got["op"] != "hello" {
		t.Fatalf("got %v", got)
	}
	return p
}

func (p *page) say(frame string) {
	p.t.Helper()
	if err := p.ws.Write(p.t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) read() (websocket.MessageType, []byte, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	return p.ws.Read(ctx)
}

// hear returns the next text frame.
func (p *page) hear() map[string]any {
	p.t.Helper()
	kind, b, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil || kind != websocket.MessageText {
		p.t.Fatalf("%v %.100q: %v", kind, b, err)
	}
	return m
}
