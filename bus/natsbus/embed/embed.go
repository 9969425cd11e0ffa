package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
)

const (
	// hubDomain is JetStream's domain at the hub, or at the three together.
	hubDomain = "hub"

	defaultMemory = 64 << 20
	defaultStore  = 10 << 30
	maxPayload    = 8<<20 + 4<<10 // what headers take counts too

	pingEvery = time.Second // a peer that says nothing for three of them is gone
	pingsOut  = 2
	// joinAgain is how long one waits that has lost its hub, and up to twice as long.
	joinAgain = 100 * time.Millisecond
	tlsFor    = 3 // seconds
	startFor  = 10 * time.Second
)

// Server is NATS in this process.
type Server struct {
	o    Options
	log  *slog.Logger
	dir  *dir // nil: none
	nats *server.Server
	opts *server.Options
	told *logger // what NATS has said
	// There is no client port, or one on loopback for this process with a credential
	// of this start.
	user, pass string
	leafPass   string // what who joins says, besides its certificate
	domain     string // of this server's JetStream; "" is none
}

// Start starts the server. An error that wraps ErrOptions, bus.ErrRefused, ErrInUse or
// ErrNoHub says what to do. With ErrNoHub the server is returned too: it goes on trying.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{o: o, log: o.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	err := s.start(ctx)
	if err != nil && !errors.Is(err, ErrNoHub) {
		s.Close()
		return nil, err
	}
	return s, err
}

func (s *Server) start(ctx context.Context) (err error) {
	if s.o.Join == "" || s.o.Dir != "" {
		if s.dir, err = openDir(s.o.Dir); err != nil {
			return err
		}
	}
	config, err := s.tls()
	if err != nil {
		return err
	}
	if err := s.configure(config); err != nil {
		return err
	}
	var later error
	if s.o.Join != "" {
		later = knock(ctx, s.opts.LeafNode.Remotes[0].URLs[0].Host, config)
		if later != nil && !errors.Is(later, ErrNoHub) {
			return later
		}
	}
	if len(s.o.Cluster) > 0 {
		if err := knockAll(ctx, s.o.Cluster[1:], config); err != nil {
			return err
		}
	}
	if err := s.run(); err != nil {
		return err
	}
	return errors.Join(later, s.note())
}

// tls returns how all prove that they belong together.
func (s *Server) tls() (*tls.Config, error) {
	if s.o.Join == "" && s.o.Hub == "" && len(s.o.Cluster) == 0 {
		return nil, nil
	}
	if s.o.Secret == nil {
		switch {
		case s.o.Join != "":
			return nil, errors.New("embed: who joins a hub needs its secret")
		case s.dir.temp:
			return nil, errors.New("embed: a hub needs a secret, or a folder in which it is kept")
		}
		secret, err := s.dir.secret()
		if err != nil {
			return nil, err
		}
		s.o.Secret = &secret
	}
	return s.o.Secret.tls()
}

// configure makes the options of NATS.
func (s *Server) configure(config *tls.Config) error {
	id := NewSecret().Text()[:16]
	var err error
	if s.dir != nil && !s.dir.temp {
		if id, err = s.dir.id(); err != nil {
			return err
		}
	}
	s.opts = &server.Options{
		ServerName: "parley-" + id, NoSigs: true, NoLog: true, DontListen: true, MaxPayload: maxPayload,
		PingInterval: pingEvery, MaxPingsOut: pingsOut, DisableShortFirstPing: true,
		LeafNode: server.LeafNodeOpts{
			ReconnectInterval: joinAgain, TLSTimeout: tlsFor, TLSConfig: config, TLSHandshakeFirst: true, NoAdvertise: true,
			PingInterval: pingEvery, MaxPingsOut: pingsOut, Compression: server.CompressionOpts{Mode: server.CompressionOff},
		},
	}
	if config != nil { // NATS would ask who joins for what the client port of a cluster asks for
		if s.leafPass, err = s.o.Secret.derive("leaf"); err != nil {
			return err
		}
		s.opts.LeafNode.Username, s.opts.LeafNode.Password = "parley", s.leafPass
	}
	if s.dir != nil {
		s.keep(id)
	}
	if s.o.Hub != "" {
		if err := s.hub(); err != nil {
			return err
		}
	}
	if s.o.Join != "" {
		return s.join(config)
	}
	if len(s.o.Cluster) > 0 {
		return s.cluster(config)
	}
	return nil
}

// keep has JetStream keep things in the folder, within bounds: by default it would take
// three quarters of memory and disk.
func (s *Server) keep(id string) {
	s.domain = hubDomain
	if s.o.Join != "" {
		s.domain = "leaf-" + id
	}
	s.opts.JetStream, s.opts.JetStreamDomain, s.opts.StoreDir = true, s.domain, s.dir.path
	s.opts.JetStreamMaxMemory, s.opts.JetStreamMaxStore = defaultMemory, defaultStore
	if s.o.MaxMemory > 0 {
		s.opts.JetStreamMaxMemory = s.o.MaxMemory
	}
	if s.o.MaxStore > 0 {
		s.opts.JetStreamMaxStore = s.o.MaxStore
	}
	s.opts.SyncAlways = true // what is acknowledged is on the disk
}

func (s *Server) hub() error {
	host, port, err := place(s.o.Hub)
	if err != nil {
		return err
	}
	if host == "" { // NATS would take the older protocol only
		host = "::"
		if free("", host, 0) != nil {
			host = "0.0.0.0"
		}
	}
	s.opts.LeafNode.Host, s.opts.LeafNode.Port = host, port
	if port == 0 {
		s.opts.LeafNode.Port = -1
	}
	return free("the hub", host, port)
}

func (s *Server) join(config *tls.Config) error {
	at := strings.TrimPrefix(s.o.Join, "tls://")
	host, port, err := place(at)
	if err != nil {
		return err
	}
	u := &url.URL{Scheme: "tls", User: url.UserPassword("parley", s.leafPass), Host: net.JoinHostPort(host, strconv.Itoa(port))}
	s.opts.LeafNode.Remotes = []*server.RemoteLeafOpts{{
		URLs: []*url.URL{u}, TLS: true, TLSConfig: config, TLSTimeout: tlsFor, TLSHandshakeFirst: true,
		Compression: server.CompressionOpts{Mode: server.CompressionOff},
	}}
	return nil
}

// cluster makes the server one of several. Their routes start only behind a client port,
// so there is one, which nobody else can use.
func (s *Server) cluster(config *tls.Config) error {
	host, port, err := place(s.o.Cluster[0])
	if err != nil {
		return err
	}
	if err := free("this node of the cluster", host, port); err != nil {
		return err
	}
	s.user, s.pass = "parley", NewSecret().Text()
	o := s.opts
	o.DontListen, o.Host, o.Port, o.Username, o.Password = false, "127.0.0.1", -1, s.user, s.pass
	o.Cluster = server.ClusterOpts{
		Name: "parley", Host: host, Port: port, TLSConfig: config, TLSTimeout: tlsFor, NoAdvertise: false,
		PingInterval: pingEvery, MaxPingsOut: pingsOut, Compression: server.CompressionOpts{Mode: server.CompressionOff},
	}
	for _, other := range s.o.Cluster {
		h, p, err := place(other)
		if err != nil {
			return err
		}
		o.Routes = append(o.Routes, &url.URL{Scheme: "tls", Host: net.JoinHostPort(h, strconv.Itoa(p))})
	}
	return nil
}

// free returns an error if nobody can listen there, as NATS has no way to tell us.
func free(who, host string, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("%s can't listen: %w", who, err)
	}
	return l.Close()
}

// run starts NATS.
func (s *Server) run() error {
	ns, err := server.NewServer(s.opts)
	if err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	s.nats = ns
	s.told = &logger{to: s.log}
	ns.SetLoggerV2(s.told, false, false, false)
	if s.opts.DontListen {
		ns.Start()
	} else {
		go ns.Start()
		ns.ReadyForConnections(startFor)
	}
	if why := s.told.failed(); why != "" {
		return fmt.Errorf("embed: NATS does not start: %s", why)
	}
	if s.domain != "" && !ns.JetStreamEnabled() {
		return fmt.Errorf("embed: nothing can be kept in %s: is there room, and may this user write there?", s.dir.path)
	}
	return nil
}

// note writes where the hub is, for other processes on this machine.
func (s *Server) note() error {
	if s.dir == nil || s.dir.temp {
		return nil
	}
	at := s.HubURL()
	switch {
	case s.o.Join != "":
		at = s.o.Join
	case at == "":
		return nil
	default:
		host, port, _ := net.SplitHostPort(strings.TrimPrefix(at, "tls://"))
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			at = "tls://" + net.JoinHostPort("127.0.0.1", port)
		}
	}
	if err := writeWhole(filepath.Join(s.dir.path, secretFile), s.o.Secret.Text()+"\n"); err != nil {
		return err
	}
	return writeWhole(filepath.Join(s.dir.path, urlFile), at+"\n")
}

// HubURL is where others join; "" if they can't.
func (s *Server) HubURL() string {
	if s.o.Hub == "" {
		return ""
	}
	return "tls://" + net.JoinHostPort(s.opts.LeafNode.Host, strconv.Itoa(s.opts.LeafNode.Port))
}

// Linked reports whether the others can be reached.
func (s *Server) Linked() bool {
	switch {
	case s.o.Join != "":
		return s.nats.NumLeafNodes() > 0
	case len(s.o.Cluster) > 1:
		return s.nats.NumRoutes() > 0
	}
	return true
}

// Connect returns a bus on the server. It is away while the others can't be reached.
func (s *Server) Connect(ctx context.Context) (bus.Bus, error) {
	o := natsbus.Options{
		URL: s.describe(), Name: "parley", Server: s, Domain: hubDomain, HereDomain: s.domain, Replicas: s.o.Replicas, Logger: s.log,
		User: s.user, Password: s.pass, Fault: s.Fault,
	}
	if s.o.Join != "" || len(s.o.Cluster) > 1 {
		o.Linked = s.Linked
	}
	for o.Linked != nil && !s.Linked() { // it may come in a moment
		select {
		case <-time.After(5 * time.Millisecond):
			continue
		case <-ctx.Done():
		}
		break
	}
	return natsbus.Connect(context.WithoutCancel(ctx), o)
}

// Fault returns why nothing is kept any more, or nil.
func (s *Server) Fault() error {
	if s.told.isFull() {
		return fmt.Errorf("%w: the disk of %s: make room and start again", bus.ErrFull, s.dir.path)
	}
	return nil
}

// describe is the server for people.
func (s *Server) describe() string {
	switch {
	case s.o.Join != "":
		return s.o.Join
	case s.o.Hub != "":
		return s.HubURL()
	case len(s.o.Cluster) > 0:
		return "cluster of " + strings.Join(s.o.Cluster, ", ")
	}
	return "in this process"
}

// InProcessConn connects within this process.
func (s *Server) InProcessConn() (net.Conn, error) { return s.nats.InProcessConn() }

var _ nats.InProcessConnProvider = (*Server)(nil)

// Close ends the server.
func (s *Server) Close() error {
	if s.nats != nil {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}
	if s.dir != nil {
		return s.dir.close()
	}
	return nil
}
