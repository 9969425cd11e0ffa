package natsbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

// Codes of JetStream's errors that nats.go has no names for.
const (
	codeNoPeers       = 10005 // no suitable peers: they have not come yet
	codeNotAvailable  = 10008 // there is no leader now
	codeResources     = 10023
	codeNoSubject     = 10049
	codeStorage       = 10047
	codeStoreFailed   = 10077 // maximum bytes, or what the disk said
	codeWrongSequence = 10071
	codeWrongConstant = 10164
	codeOffline       = 10118
	codeNoBatches     = 10174
	codeLargeBatch    = 10199
)

// told returns err in the words of package bus. call is the context of the call.
func told(call context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(call); cause != nil {
		return fmt.Errorf("natsbus: %w", cause) // the bus has gone, or the caller has
	}
	kind := err
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted), errors.Is(err, jetstream.ErrObjectNotFound), errors.Is(err, jetstream.ErrMsgNotFound):
		kind = bus.ErrNotFound
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		kind = bus.ErrConflict
	case errors.Is(err, jetstream.ErrInvalidKey):
		kind = bus.ErrBadSubject
	case errors.Is(err, nats.ErrConnectionClosed):
		kind = bus.ErrClosed
	case errors.Is(err, nats.ErrMaxPayload):
		kind = bus.ErrTooLarge
	case unanswered(err), errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected), errors.Is(err, io.ErrClosedPipe):
		kind = bus.ErrNoBus
	default:
		kind = ofCode(err)
	}
	if kind == err {
		return fmt.Errorf("natsbus: %w", err)
	}
	return fmt.Errorf("natsbus: %w: %w", kind, err)
}

// code returns what JetStream says in an error, of which nats.go has two kinds, as watchers
// still come from its older package; 0: nothing.
func code(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	var older *nats.APIError
	switch {
	case errors.As(err, &api):
		return api.ErrorCode
	case errors.As(err, &older):
		return jetstream.ErrorCode(older.ErrorCode)
	}
	return 0
}

// ofCode returns the kind of an error of JetStream, or the error.
func ofCode(err error) error {
	switch code(err) {
	case codeWrongSequence, codeWrongConstant:
		return bus.ErrConflict
	case codeResources, codeStorage, codeStoreFailed:
		return bus.ErrFull
	}
	return err
}

// errNotYet: it was made a moment ago, and the one of several that was asked does not know.
var errNotYet = errors.New("natsbus: it is not known everywhere yet")

// unanswered reports whether an error says that nobody has answered, so that asking again
// makes sense.
func unanswered(err error) bool {
	if c := code(err); c != 0 {
		return c == codeNoPeers || c == codeNotAvailable || c == codeOffline
	}
	return errors.Is(err, errNotYet) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrAsyncPublishTimeout)
}

// notThere reports whether an error of connecting says that there is no server now.
func notThere(err error) bool {
	return errors.Is(err, nats.ErrNoServers) || errors.As(err, new(*net.OpError)) && !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, nats.ErrTimeout)
}

// limiter lets one through in a while.
type limiter struct {
	mu   sync.Mutex
	last time.Time
}

func (l *limiter) ok() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < 10*time.Second {
		return false
	}
	l.last = time.Now()
	return true
}

// complaint is told what goes wrong behind our back, which may be for each message: it is told
// once in a while.
func (b *Bus) complaint(_ *nats.Conn, sub *nats.Subscription, err error) {
	switch {
	case notLetIn(err):
		b.state.explain(err)
	case errors.Is(err, nats.ErrPermissionViolation):
		b.denied.Store(&err)
	}
	if !b.wrong.ok() {
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	b.log.Warn("the bus complains", "subject", subject, "error", err)
}
