// Rooms is a chat with rooms, whose clients are nc and telnet: /join ROOM, /kick NAME.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4000", "where to listen")
	flag.Parse()
	log.Fatal(newChat().srv.ListenAndServe(*addr))
}

type chat struct {
	srv   *parley.Server
	mu    sync.Mutex
	rooms map[string]map[*parley.Conn]bool
}

// guest is what is kept of a connection.
type guest struct{ name, room string }

var guests parley.Key[guest]

func newChat() *chat {
	c := &chat{rooms: make(map[string]map[*parley.Conn]bool)}
	c.srv = &parley.Server{
		Protocol: line.Protocol{},
		Handler:  parley.HandlerFunc(c.said),
		WhenSlow: parley.SlowCut,
		Hooks: parley.Hooks{
			OnOpen: func(_ context.Context, conn *parley.Conn) error {
				c.move(conn, "lobby")
				return nil
			},
			OnClose: func(conn *parley.Conn, _ error) { c.move(conn, "") },
		},
	}
	return c
}

func (c *chat) said(_ context.Context, conn *parley.Conn, m parley.Message) error {
	command, arg, _ := strings.Cut(m.Text(), " ")
	switch command {
	case "/join":
		c.move(conn, arg)
		return conn.TrySend(parley.Text("* you are in " + arg))
	case "/kick":
		for _, other := range c.in(guests.Get(conn).room) {
			if guests.Get(other).name == arg {
				other.CloseWith(errors.New("kicked"))
			}
		}
		return nil
	}
	me := guests.Get(conn)
	others := slices.DeleteFunc(c.in(me.room), func(other *parley.Conn) bool { return other == conn })
	_, err := c.srv.BroadcastTo(parley.Text(me.name+": "+m.Text()), others)
	return err
}

// in returns who is in a room.
func (c *chat) in(room string) []*parley.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.rooms[room]))
}

// move takes conn to a room; to none when it leaves.
func (c *chat) move(conn *parley.Conn, room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := guests.Get(conn)
	delete(c.rooms[g.room], conn)
	if len(c.rooms[g.room]) == 0 {
		delete(c.rooms, g.room)
	}
	guests.Set(conn, guest{fmt.Sprint("guest", conn.ID()), room})
	if room == "" {
		return
	}
	if c.rooms[room] == nil {
		c.rooms[room] = make(map[*parley.Conn]bool)
	}
	c.rooms[room][conn] = true
}
