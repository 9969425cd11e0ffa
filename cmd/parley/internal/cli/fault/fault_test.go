package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/parley-net/parley"
)

func TestExitCodes(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{&parley.MessageError{}, 1},
		{&parley.ConnError{Err: errors.New("reset")}, 1},
		{fmt.Errorf("x: %w", parley.ErrNotRepresentable), 1},
		{Usagef("x"), 2},
		{fmt.Errorf("x: %w", Usagef("x")), 2},
		{fmt.Errorf("x: %w", refused), 3},
		{&net.DNSError{}, 3},
		{&net.OpError{Op: "listen", Err: errors.New("in use")}, 3},
		{&parley.TimeoutError{}, 4},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), 4},
		{fmt.Errorf("x: %w", os.ErrDeadlineExceeded), 4},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 4},
		{fmt.Errorf("x: %w", &parley.ProtocolError{Err: io.ErrUnexpectedEOF}), 5},
		{&PinError{}, 6},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, 6},
		{&Error{Code: 4, Err: Usagef("x")}, 4},
		{fmt.Errorf("x: %w", &Error{Code: 3, Err: errors.New("x")}), 3},
	} {
		if got := Code(tt.err); got != tt.want {
			t.Errorf("%v (%T): exit code %d, want %d", tt.err, tt.err, got, tt.want)
		}
	}
}
