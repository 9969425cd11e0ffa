package prometheus_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/parley-net/parley"
	parleyprom "github.com/parley-net/parley/examples/prometheus"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
)

func TestCollector(t *testing.T) {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "panic" {
				panic("no")
			}
			return c.Send(ctx, m)
		})}
	collector := parleyprom.New(srv, prometheus.Labels{"server": "device"})
	c, _ := parleytest.Pipe(t, srv, nil)
	if _, err := c.Call(t.Context(), parley.Text("hello")); err != nil {
		t.Fatal(err)
	}
	bad, s := parleytest.Pipe(t, srv, nil)
	bad.Send(t.Context(), parley.Text("panic"))
	<-s.Done()
	const want = `
# HELP parley_connections_accepted_total Connections ever accepted.
# TYPE parley_connections_accepted_total counter
parley_connections_accepted_total{server="device"} 2
# HELP parley_messages_sent_total Messages sent.
# TYPE parley_messages_sent_total counter
parley_messages_sent_total{server="device"} 1
# HELP parley_panics_total Panics of handlers, hooks, machines and plugins.
# TYPE parley_panics_total counter
parley_panics_total{server="device"} 1
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "parley_connections_accepted_total", "parley_messages_sent_total", "parley_panics_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(collector); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
