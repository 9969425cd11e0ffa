// Line-rooms is a chat with rooms, a line a message: nc and telnet are clients
// enough. /join ROOM goes into a room, /who tells who is there, /kick NAME ends
// somebody's connection, and every other line goes to all in the same room. It
// shows Server.BroadcastTo, whose cost is that of the room and not of the server;
// that nobody who reads slowly holds up the others; and Conn.CloseWith.
//
//	go run ./examples/line-rooms
//	nc localhost 4000                # several of them
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4000", "where to listen, `host:port`")
	flag.Parse()
	c := &chat{rooms: make(map[string]map[*parley.Conn]bool)}
	c.srv = &parley.Server{
		Protocol: line.Protocol{},
		Handler:  parley.HandlerFunc(c.said),
		Hooks:    parley.Hooks{OnOpen: c.entered, OnClose: c.left},
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := c.srv.Listen(*addr); err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", c.srv.Addrs()[0])
	context.AfterFunc(ctx, func() { c.srv.Shutdown(context.Background()) })
	if err := c.srv.Serve(); err != parley.ErrServerClosed {
		log.Fatal(err)
	}
}

// chat knows who is in which room.
type chat struct {
	srv   *parley.Server
	mu    sync.Mutex
	rooms map[string]map[*parley.Conn]bool
}

// guest is what we keep of a connection. Only its own handler, and the hooks before and
// after it, change it.
type guest struct{ name, room string }

var guests parley.Key[*guest]

func of(c *parley.Conn) *guest { return guests.Get(c) }

func (c *chat) entered(_ context.Context, conn *parley.Conn) error {
	guests.Set(conn, &guest{name: fmt.Sprint("guest", conn.ID())})
	c.move(conn, "lobby")
	return nil
}

func (c *chat) left(conn *parley.Conn, why error) {
	c.tell(conn, fmt.Sprintf("* %s has gone: %v", of(conn).name, why))
	c.move(conn, "")
}

func (c *chat) said(_ context.Context, conn *parley.Conn, m parley.Message) error {
	command, arg, _ := strings.Cut(m.Text(), " ")
	switch command {
	case "/join":
		c.tell(conn, fmt.Sprintf("* %s goes to %s", of(conn).name, arg))
		c.move(conn, arg)
		c.tell(conn, fmt.Sprintf("* %s is here", of(conn).name))
	case "/who":
		return conn.TrySend(parley.Text(strings.Join(c.names(conn), " ")))
	case "/kick":
		for _, other := range c.with(conn) {
			if of(other).name == arg {
				other.CloseWith(fmt.Errorf("kicked by %s", of(conn).name))
			}
		}
	default:
		c.tell(conn, of(conn).name+": "+m.Text())
	}
	return nil
}

// tell sends a line to everybody in conn's room. A peer that does not read what
// it is sent misses some of it.
func (c *chat) tell(conn *parley.Conn, text string) {
	if _, err := c.srv.BroadcastTo(parley.Text(text), c.with(conn)); err != nil {
		log.Print(err)
	}
}

// with returns everybody in conn's room.
func (c *chat) with(conn *parley.Conn) []*parley.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.rooms[of(conn).room]))
}

func (c *chat) names(conn *parley.Conn) []string {
	var names []string
	for _, other := range c.with(conn) {
		names = append(names, of(other).name)
	}
	slices.Sort(names)
	return names
}

// move takes conn out of its room and into another one, if that has a name.
func (c *chat) move(conn *parley.Conn, room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := of(conn)
	if delete(c.rooms[g.room], conn); len(c.rooms[g.room]) == 0 {
		delete(c.rooms, g.room)
	}
	if g.room = room; room == "" {
		return
	}
	if c.rooms[room] == nil {
		c.rooms[room] = make(map[*parley.Conn]bool)
	}
	c.rooms[room][conn] = true
}
