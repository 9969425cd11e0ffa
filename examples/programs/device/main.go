// Device is a simulated power supply on SCPI: a value for all clients, a graceful end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:5025", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv := (&supply{}).server()
	srv.Logger = slog.Default()
	context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		srv.Shutdown(limit)
	})
	if err := srv.ListenAndServe(*addr); !errors.Is(err, parley.ErrServerClosed) {
		log.Fatal(err)
	}
}

// supply is the device.
type supply struct {
	mu    sync.Mutex
	volts float64
}

func (s *supply) server() *parley.Server {
	return &parley.Server{Protocol: line.SCPI(), Handler: s, Timeouts: parley.Timeouts{Idle: time.Hour}}
}

// ServeMessage answers a query; a command has no answer.
func (s *supply) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	answer := s.do(m.Text())
	if answer == "" {
		return nil
	}
	return c.Send(ctx, parley.Text(answer))
}

func (s *supply) do(command string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, arg, _ := strings.Cut(command, " ")
	switch strings.ToUpper(name) {
	case "*IDN?":
		return "ACME,PSU,1,0.1"
	case "VOLT?":
		return fmt.Sprintf("%.3f", s.volts)
	case "VOLT":
		v, err := strconv.ParseFloat(arg, 64)
		if err != nil || v < 0 || v > 30 {
			return "ERROR: 0 to 30 V"
		}
		s.volts = v
		return ""
	}
	return "ERROR: unknown command"
}
