package natsbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

const (
	// maxPayload is the largest message that is asked for. A server may grant less.
	maxPayload = 8 << 20
	// headroom is what headers and replies' subjects may take of what a server grants:
	// its max_payload counts them.
	headroom = 4 << 10
	// leastPayload is what rooms need: a piece of a big message with its head.
	leastPayload = 600 << 10

	// An election has no leader who answers, so a question is not waited for: it is
	// asked again.
	tryFor = 400 * time.Millisecond
	// openFor bounds how long something is opened if the caller's context does not.
	openFor = 15 * time.Second
	// callFor bounds a call without a deadline of its own.
	callFor = 5 * time.Second

	reconnectWait = 100 * time.Millisecond
)

// Options say where NATS is.
type Options struct {
	// URL is a server's, nats://host:4222 or tls://host:4222; several by commas. With Server
	// it only says to people what that is.
	URL string
	// Creds is a file with the user's credentials; "" is none.
	Creds string
	// User and Password are another way to say who we are.
	User, Password string
	// TLS, if not nil, is used where a server wants TLS.
	TLS *tls.Config
	// Name is what the server lists this connection as.
	Name string
	// Server is a server in this process, in place of URL.
	Server nats.InProcessConnProvider
	// Linked, if not nil, reports whether the others can be reached over Server.
	Linked func() bool
	// Fault, if not nil, returns why Server keeps nothing any more: a disk that is full shows
	// to its clients as silence only.
	Fault func() error
	// Domain is JetStream's where buckets, objects and logs are; "" is the server's own.
	Domain string
	// HereDomain is that of what this machine keeps alone; "" is none.
	HereDomain string
	// Replicas is how many servers keep what is made; 0: one.
	Replicas int
	// Later has Connect succeed while the server is not there: it comes when it does.
	// A server that refuses is an error all the same.
	Later bool
	// Logger is told what happens; nil: nobody.
	Logger *slog.Logger
}

// Bus is a bus.Bus over NATS.
type Bus struct {
	o     Options
	where string // o.URL for people: without a password
	log   *slog.Logger
	nc    *nats.Conn
	js    jetstream.JetStream
	here  jetstream.JetStream // nil: this machine keeps nothing alone
	state state
	slow  limiter // how often a slow subscription is told in the log
	wrong limiter // and how often what goes wrong behind our back is
	done  chan struct{}
	at    atomic.Pointer[place]
	// denied is what a server that knows us has forbidden last.
	denied atomic.Pointer[error]
}

var _ bus.Bus = (*Bus)(nil)

// place is a server, as it was when we were connected last. While a connection is tried again
// nats.go has its lock for as long as a server that was stopped says nothing, so who only
// looks does not ask it.
type place struct {
	url     string
	granted int // the size of its largest message
}

// redacted returns places, by commas, without their passwords.
func redacted(places string) string {
	all := strings.Split(places, ",")
	for i, at := range all {
		if u, err := url.Parse(strings.TrimSpace(at)); err == nil && u.User != nil {
			all[i] = u.Redacted()
		}
	}
	return strings.Join(all, ",")
}

// note remembers the server that we are connected to.
func (b *Bus) note(nc *nats.Conn) {
	if granted := int(nc.MaxPayload()); granted > 0 {
		b.at.Store(&place{url: nc.ConnectedUrlRedacted(), granted: granted})
	}
}

// Connect connects to NATS. ctx bounds how long that may take.
func Connect(ctx context.Context, o Options) (*Bus, error) {
	b := &Bus{o: o, log: o.Logger, where: redacted(o.URL), done: make(chan struct{})}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.o.Replicas < 1 {
		b.o.Replicas = 1
	}
	b.state.begin()
	if err := b.connect(ctx); err != nil {
		return nil, b.refused(err)
	}
	if err := b.openJetStream(); err != nil {
		b.nc.Close()
		return nil, err
	}
	// What is in this process and one of several is known to have JetStream. That the others
	// have no leader yet, which the first start of a cluster has when one is missing, is no
	// reason to wait, or to end: whoever opens something waits for one.
	if o.Linked == nil && b.nc.IsConnected() {
		if err := b.inspect(ctx); err != nil {
			b.Close()
			return nil, err
		}
	}
	if o.Linked != nil {
		b.look(b.nc)
		go b.watchLink()
	}
	return b, nil
}

// connect connects, once, and where that is allowed goes on trying in the background.
func (b *Bus) connect(ctx context.Context) (err error) {
	opts := []nats.Option{
		nats.Name(b.o.Name), nats.Timeout(2 * time.Second), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait/2, reconnectWait/2), nats.ReconnectBufSize(-1), // nothing is published later than now
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(5 * time.Second),
		nats.DisconnectErrHandler(b.disconnected), nats.ReconnectHandler(b.back), nats.ReconnectErrHandler(b.notBack),
		nats.ConnectHandler(b.back), nats.ErrorHandler(b.complaint), nats.IgnoreAuthErrorAbort(),
	}
	at := b.o.URL
	if b.o.Server != nil {
		at = nats.DefaultURL // of no meaning
		opts = append(opts, nats.InProcessServer(b.o.Server))
	}
	if b.o.User != "" {
		opts = append(opts, nats.UserInfo(b.o.User, b.o.Password))
	}
	if b.o.Creds != "" {
		if err := checkCreds(b.o.Creds); err != nil {
			return err
		}
		opts = append(opts, nats.UserCredentials(b.o.Creds))
	}
	if b.o.TLS != nil {
		opts = append(opts, nats.Secure(b.o.TLS))
	}
	b.nc, err = nats.Connect(at, opts...)
	if err == nil {
		b.note(b.nc)
	}
	if err == nil || !b.o.Later || !notThere(err) {
		return err
	}
	b.log.Warn("the bus is not there yet: local service goes on, and it is tried again", "bus", b.where, "error", err)
	b.nc, err = nats.Connect(at, append(opts, nats.RetryOnFailedConnect(true))...)
	if err == nil {
		b.look(b.nc)
	}
	return err
}

// refused says what to do about an error of connecting.
func (b *Bus) refused(err error) error {
	switch {
	case notLetIn(err):
		return fmt.Errorf("natsbus: %s lets nobody in %s: do they belong to an account of this server, and is the user still one: %w: %w", b.where, b.o.who(), bus.ErrRefused, err)
	case errors.Is(err, bus.ErrRefused):
		return err
	case b.o.Server != nil:
		// A credential that is refused shows as a closed pipe, or as one that nobody reads.
		return fmt.Errorf("natsbus: the server in this process does not let us in: %w", bus.ErrRefused)
	}
	return fmt.Errorf("natsbus: %s: %w: %w", b.where, bus.ErrNoBus, err)
}

func (b *Bus) openJetStream() (err error) {
	in := func(domain string) (jetstream.JetStream, error) {
		opts := []jetstream.JetStreamOpt{jetstream.WithPublishAsyncMaxPending(math.MaxInt), jetstream.WithPublishAsyncTimeout(ackFor)}
		if domain != "" {
			return jetstream.NewWithDomain(b.nc, domain, opts...)
		}
		return jetstream.New(b.nc, opts...)
	}
	if b.js, err = in(b.o.Domain); err != nil {
		return err
	}
	if b.o.HereDomain != "" && b.o.HereDomain != b.o.Domain {
		b.here, err = in(b.o.HereDomain)
	}
	return err
}

// inspect looks whether the server can do what is needed.
func (b *Bus) inspect(ctx context.Context) error {
	if granted := b.nc.MaxPayload(); granted < leastPayload {
		return fmt.Errorf("natsbus: the server grants messages of %d bytes, and at least %d are needed: set its max_payload to 8MB: %w", granted, leastPayload, bus.ErrRefused)
	}
	err := b.open(ctx, func(ctx context.Context) error {
		_, err := b.js.AccountInfo(ctx)
		if denied := b.denied.Load(); err != nil && denied != nil {
			return fmt.Errorf("natsbus: %s does not allow us, %s, what a node needs: %w: %w", b.where, b.o.who(), bus.ErrRefused, *denied)
		}
		return err
	})
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("natsbus: the server at %s keeps nothing: start it with JetStream (nats-server -js), and allow it for this account: %w: %w", b.nc.ConnectedUrlRedacted(), bus.ErrRefused, err)
	}
	return err
}

// MaxPayload is the largest message, as far as the server grants it.
func (b *Bus) MaxPayload() int {
	at := b.at.Load()
	if at == nil { // it has not been there yet
		return maxPayload
	}
	return min(maxPayload, at.granted-headroom)
}

// Close ends the subscriptions and the connection, when what was published has left.
func (b *Bus) Close() error {
	if !b.state.close() {
		return nil
	}
	close(b.done)
	defer b.nc.Close()
	if err := b.flush(); err != nil {
		return fmt.Errorf("natsbus: what was published last may not have left: %w", err)
	}
	return nil
}

// flush waits a second at most until the server has what was said. While the bus is away
// there is nothing to wait for: what was not sent was an error.
func (b *Bus) flush() error {
	if !b.nc.IsConnected() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := b.nc.FlushWithContext(ctx); err != nil && b.nc.IsConnected() {
		return err
	}
	return nil
}
