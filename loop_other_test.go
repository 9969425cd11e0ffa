//go:build !linux

package parley_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
)

// Where there are no event loops a goroutine serves each connection, and one
// line of the log says so.
//
// Verifies: RUNTIME-53
func TestNoEventLoops(t *testing.T) {
	var log bytes.Buffer
	srv := &parley.Server{
		Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 1,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	addr := parleytest.NewServer(t, srv)
	c, err := parley.Dial(t.Context(), serpy2.Protocol{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, err := c.Call(t.Context(), parley.Text("hello")); err != nil || m.Text() != "hello" {
		t.Errorf("got %v, %v", m, err)
	}
	if n := strings.Count(log.String(), "no event loops on this system"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &log)
	}
}
