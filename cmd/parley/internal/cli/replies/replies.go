// Package replies is the mode of serve that answers from a device file, which it reads
// again when that changes; internal/device is the device.
package replies

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/device"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/wire"
)

// Options are the flags of serve --replies.
type Options struct {
	File   string
	device string
	faults string
	watch  bool
}

func (o *Options) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.File, "replies", "", "play the device that `FILE` describes: TOML, or YAML of pyvisa-sim")
	f.StringVar(&o.device, "device", "", "with --replies: the device `NAME` of a file of pyvisa-sim that has several")
	f.StringVar(&o.faults, "fault", "", "with --replies: `FAULTS` such as drop=0.01,delay=10ms..200ms,seed=1")
	f.BoolVar(&o.watch, "watch", false, "with --replies: read the file again when it changes (SIGHUP does it at any time)")
}

// simulator serves a device that a file describes.
type simulator struct {
	app    *app.App
	o      Options
	scpi   bool // a file that names no grammar is one of SCPI
	def    *device.Definition
	dev    *device.Device
	reload *reloader
}

// Mode returns the mode of serve --replies.
func Mode(a *app.App, o Options, places []endpoint.Endpoint) (listen.Mode, error) {
	s := &simulator{app: a, o: o, scpi: allSCPI(places)}
	var faults device.Faults
	var err error
	if o.faults != "" {
		if faults, err = device.ParseFaults(o.faults); err != nil {
			return listen.Mode{}, fault.Usagef("--fault: %w", err)
		}
	}
	if s.def, err = s.read(); err != nil {
		return listen.Mode{}, fault.AsUsage(err)
	}
	seed, given := s.def.Seed(faults)
	if !given {
		seed = randomSeed()
		if s.def.Random(faults) {
			fmt.Fprintf(a.Stderr, "faults are drawn with seed=%d\n", seed)
		}
	}
	s.dev = device.New(s.def, device.Config{Seed: seed, Faults: faults, Began: time.Now(), Typed: input.Typed})
	a.Signals.Reloads.Store(true)
	if s.reload, err = newReloader(func() (files []string) {
		a.Reloading(func() { files = s.again() })
		return files
	}, s.def.Files(), o.watch); err != nil {
		return listen.Mode{}, fault.Usagef("--watch: %w", err)
	}
	return listen.Mode{Serve: s.serve, End: s.reload.end}, nil
}

// randomSeed returns a seed that is short enough to be typed again.
func randomSeed() uint64 {
	var b [4]byte
	rand.Read(b[:])
	return uint64(binary.BigEndian.Uint32(b[:]))
}

// allSCPI reports whether every URL is one of scpi.
func allSCPI(places []endpoint.Endpoint) bool {
	for _, e := range places {
		if name, _, _ := strings.Cut(e.Scheme(), "+"); name != "scpi" {
			return false
		}
	}
	return len(places) > 0
}

// read reads the file.
func (s *simulator) read() (*device.Definition, error) {
	b, err := os.ReadFile(s.o.File)
	if err != nil {
		return nil, fmt.Errorf("--replies: %w", err)
	}
	if b, err = io.ReadAll(recording.UTF8(bytes.NewReader(b))); err != nil {
		return nil, fmt.Errorf("--replies %s: %w", s.o.File, err)
	}
	src := device.Source{Path: s.o.File, Content: b, Device: s.o.device, Typed: input.Typed}
	if s.scpi {
		src.Grammar = device.SCPI
	}
	return device.Read(src)
}

// again reads the file again. One with a mistake changes nothing.
func (s *simulator) again() []string {
	def, err := s.read()
	if err == nil {
		err = s.fits(def)
	}
	if err != nil {
		s.app.Log.Error("the file was not read again, the device stays as it was", "error", err)
		return nil
	}
	s.dev.Reload(def)
	fmt.Fprintf(s.app.Stderr, "read %s again\n", s.o.File)
	return def.Files()
}

// fits reports what of a new definition can't be had without a new start.
func (s *simulator) fits(def *device.Definition) error {
	if def.SpeaksFirst() && !s.def.SpeaksFirst() {
		return fmt.Errorf("%s: what the device says unasked (greeting, prompt, every) begins with a new start of the server", s.o.File)
	}
	return nil
}

var deviceSessions parley.Key[*device.Session]

// serve makes srv answer as the device.
func (s *simulator) serve(e *endpoint.Endpoint, srv *parley.Server) error {
	if err := s.suits(e, srv); err != nil {
		return err
	}
	srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
		session := s.dev.Session()
		deviceSessions.Set(c, session)
		if err := s.send(ctx, c, session.Greeting(time.Now())); err != nil {
			return err
		}
		if s.def.SpeaksFirst() {
			go s.speak(c, session)
		}
		return nil
	}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		r := deviceSessions.Get(c).Answer(m, time.Now())
		s.tell(c, m, r)
		if err := pause(ctx, r.Delay); err != nil {
			return err
		}
		if err := s.send(ctx, c, r.Answers); err != nil {
			return err
		}
		if r.Close {
			return c.Close()
		}
		return nil
	})
	return nil
}

// suits gives the wire what the file says about it, and reports what it can't
// do.
func (s *simulator) suits(e *endpoint.Endpoint, srv *parley.Server) error {
	if e.Protocol.Traits().Lockstep && s.def.SpeaksFirst() {
		return fault.Usagef("--replies %s: the device says something that nobody has asked for (greeting, prompt, every), which a %s server can't", s.o.File, e.Protocol.Name())
	}
	p, isLine := e.Protocol.(line.Protocol)
	if !isLine {
		switch {
		case s.def.HasPrompt():
			return fault.Usagef("--replies %s: a prompt has no line end: serve it on line:// or scpi://", s.o.File)
		case s.def.MaxClients() > 0 && e.Protocol.Traits().Clients != s.def.MaxClients():
			return fault.Usagef("--replies %s: clients.max is for line:// and scpi://; --max-conns refuses those that are too many", s.o.File)
		}
		return nil
	}
	if p.Clients == 0 {
		p.Clients = s.def.MaxClients()
	}
	if request, answer, ok := s.def.Ends(); ok {
		if p.End == (line.End{}) {
			p.End = line.Ends(request)
		}
		if p.Send == "" {
			p.Send = answer
		}
		p.Blocks = false // pyvisa-sim looks for the end alone
	}
	if err := p.Validate(wire.Accepting); err != nil {
		return fault.Usagef("--replies %s: %w", s.o.File, err)
	}
	e.Protocol, srv.Protocol = p, p
	return s.app.Limits.CheckConns(*e)
}

// tell logs what the device has to say about a request.
func (s *simulator) tell(c *parley.Conn, m parley.Message, r device.Reply) {
	warn := func(what, request string) {
		s.app.Log.Warn(what, "conn", c.ID(), "client", c.RemoteAddr(), "request", request)
	}
	if r.Unknown {
		warn("no reply for this request", m.String())
	}
	for _, note := range r.Notes {
		warn("the device refused", note)
	}
}

// send sends the answers, each after its delay.
func (s *simulator) send(ctx context.Context, c *parley.Conn, answers []device.Answer) error {
	for _, a := range answers {
		if err := pause(ctx, a.Delay); err != nil {
			return err
		}
		if a.Err != nil {
			return a.Err
		}
		m := a.Message
		if a.Open {
			m = line.Verbatim(m)
		}
		err := c.Send(ctx, m)
		if unfit := errors.Is(err, parley.ErrNotRepresentable) || errors.Is(err, parley.ErrTooLarge); unfit && !c.Protocol().Traits().Lockstep {
			s.app.Log.Warn("an answer was not sent, the protocol can't carry it", "conn", c.ID(), "client", c.RemoteAddr(), "answer", m.String(), "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// speak says what the device says by itself, until the connection ends.
func (s *simulator) speak(c *parley.Conn, session *device.Session) {
	ctx := c.Context()
	for ctx.Err() == nil {
		answers, next := session.Due(time.Now())
		if s.send(ctx, c, answers) != nil {
			return
		}
		wait := time.Second // a file that is read again may have something
		if !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		if pause(ctx, max(wait, time.Millisecond)) != nil {
			return
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
