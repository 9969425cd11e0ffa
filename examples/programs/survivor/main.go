// Survivor prints what a server tells its subscribers, and survives that the server
// restarts: it subscribes again whenever it is connected.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:6000", "the server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := subscriber(parley.Dialer{Protocol: tinyproto.Protocol{}}, *addr, "weather")
	defer c.Close()
	c.OnState = func(s parley.State, err error) { log.Println(s, err) }
	for m, err := range c.Messages(ctx) {
		if err != nil {
			log.Println(err)
			continue
		}
		fmt.Println(m.Text())
	}
}

// subscriber returns a Client that hears of topic as long as it lives.
func subscriber(d parley.Dialer, addr, topic string) *parley.Client {
	d.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
		return c.Send(ctx, parley.Text("subscribe "+topic))
	}
	return &parley.Client{Dialer: d, Addr: addr}
}
