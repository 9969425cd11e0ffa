package tap

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// The proxy's own end lets arrive what is under way.
func TestDrain(t *testing.T) {
	r := start(t, "tcp", &Proxy{}, nil)
	client, server := r.dial()
	io.WriteString(client, "!")
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil { // what is being dialled at the end is given up
		t.Fatal(err)
	}
	io.WriteString(client, "on its way")
	r.end()
	if got, err := io.ReadAll(server); string(got) != "on its way" || err != nil {
		t.Errorf("the server read %q, %v", got, err)
	}
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
		t.Errorf("the client read %q, %v", got, err)
	}
}

// A side that does not read can't hold up the end.
func TestDrainIsBounded(t *testing.T) {
	r := start(t, "tcp", &Proxy{Drain: 50 * time.Millisecond}, nil)
	client, _ := r.dial()
	client.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	io.Copy(client, io.LimitReader(zeros{}, 1<<30)) // until nobody takes more
	r.end()
}

func TestNoTarget(t *testing.T) {
	nobody := errors.New("nobody there")
	r := start(t, "tcp", &Proxy{Dial: func(context.Context) (net.Conn, error) { return nil, nobody }}, nil)
	r.isReset()
	events := r.end()
	if len(events) != 1 || events[0].Kind != Failed || events[0].Err != nobody || events[0].Client == nil {
		t.Errorf("told %+v", events)
	}
}

func TestMaxConns(t *testing.T) {
	r := start(t, "tcp", &Proxy{MaxConns: 1}, nil)
	first, server := r.dial()
	r.isReset()
	io.WriteString(first, "x")
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
