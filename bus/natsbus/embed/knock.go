package embed

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/parley-net/parley/bus"
)

// ErrNoHub is the error of a hub that is not there now.
var ErrNoHub = errors.New("embed: the hub is not there")

// knockFor bounds how long a hub may take to say what it is.
const knockFor = 3 * time.Second

// knock looks whether a hub lets us in, before NATS tries it for ever.
func knock(ctx context.Context, addr string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, knockFor)
	defer cancel()
	tcp, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoHub, err)
	}
	defer tcp.Close()
	deadline, _ := ctx.Deadline()
	tcp.SetDeadline(deadline)
	c := tls.Client(tcp, config)
	if err = c.HandshakeContext(ctx); err == nil {
		// TLS 1.3 tells us only now that it does not take our certificate.
		var line string
		line, err = bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "INFO {") {
			err = fmt.Errorf("it says %.40q", line)
		}
	}
	return refused(addr, err)
}

// askFor bounds how long the others of a cluster may take to show who they are.
const askFor = time.Second

// knockAll looks whether those of a cluster that are there have our secret and version: NATS
// would try for ever. One that is not there, or is no such server, is no reason not to start.
func knockAll(ctx context.Context, others []string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	said := make(chan error)
	for _, addr := range others {
		go func() { said <- knock(ctx, addr, config) }()
	}
	var all error
	for range others {
		if err := <-said; errors.Is(err, ErrSecret) || errors.Is(err, ErrVersion) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// refused says why a hub does not let us in.
func refused(addr string, err error) error {
	var name x509.HostnameError
	var op *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrVersion), errors.As(err, &name):
		return fmt.Errorf("%w: %s: %w: use the same version on all machines", bus.ErrRefused, addr, ErrVersion)
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("%w: %s: %w", bus.ErrRefused, addr, ErrSecret)
	case errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("%w: %s is no hub: it does not speak TLS", bus.ErrRefused, addr)
	case errors.As(err, &op) && op.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s says nothing for %v", ErrNoHub, addr, knockFor)
	}
	return fmt.Errorf("%w: %s does not behave as a hub: %w", bus.ErrRefused, addr, err)
}
