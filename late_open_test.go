package parley_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// A peer whose greeting comes when the connection is about to end, with a message behind
// it, is no fault of the machine: the message is dropped, and the connection ends as it
// would have.
//
// Verifies: RUNTIME-32
func TestOpenTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		srv := &parley.Server{
			Protocol: tinyproto.Protocol{},
			Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error {
				t.Error("a message was delivered")
				return nil
			}),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		ours, theirs := net.Pipe()
		ended := make(chan error)
		go func() { ended <- srv.ServeConn(ours) }()
		go io.Copy(io.Discard, theirs)
		synctest.Wait()
		go srv.Shutdown(t.Context())
		synctest.Wait()
		theirs.Write([]byte(tinyHello + tiny("too late")))
		synctest.Wait()
		theirs.Close()
		if err := <-ended; err != parley.ErrServerClosed {
			t.Errorf("it ended with %v", err)
		}
		synctest.Wait()
		if strings.Contains(log.String(), "broken machine") {
			t.Error(log.String())
		}
	})
}
