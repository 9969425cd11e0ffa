package parley_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
)

// A message that is sent while an announced one waits for ReceiveStream arrives, also
// with Eager Never: our header has left when the stream is accepted, so the messages have
// crossed; our payload needs no OK, and the OK for the accepted one comes behind it.
//
// Verifies: RUNTIME-22
func TestSendWhileAStreamIsOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
		c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: tinyproto.Protocol{Eager: tinyproto.Never}, Limits: parley.Limits{MaxMessage: 10}})
		s, err := srv.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		large := bytes.Repeat([]byte{'L'}, 1000)
		go s.Send(t.Context(), parley.Bytes(large))
		synctest.Wait() // c has been offered it
		go c.Send(t.Context(), parley.Text("small"))
		synctest.Wait() // its header has left
		st, err := c.ReceiveStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(st); err != nil || !bytes.Equal(got, large) {
			t.Errorf("received %d bytes, %v", len(got), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m, err := s.Receive(ctx)
		if err != nil || m.Text() != "small" {
			t.Errorf("received %q, %v, want \"small\"", m.Text(), err)
		}
	})
}

// A message that is a number has its value also in ReceiveStream.
//
// Verifies: RUNTIME-22
func TestStreamOfANumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy.Protocol{Mode: 5}, Pull: true}
		c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: serpy.Protocol{Mode: 5}})
		s, err := srv.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go c.Send(t.Context(), parley.Object(true))
		st, err := s.ReceiveStream(t.Context())
		if err != nil {
			return // an error would be fine
		}
		if b, err := io.ReadAll(st); err == nil && len(b) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("an object was received as a stream of %d bytes, without an error", st.Size())
		}
	})
}
