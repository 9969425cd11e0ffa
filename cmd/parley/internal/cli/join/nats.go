//go:build !nobus

package join

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
	"github.com/parley-net/parley/bus/natsbus/embed"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// HasBus reports whether the command was built with NATS.
const HasBus = true

// linkFor is how long others are waited for before those here are served alone.
const linkFor = 2 * time.Second

// OpenNATS returns the way to the others over NATS. A looker is no node: it uses what is
// there, and does not wait for what is not.
func OpenNATS(ctx context.Context, a *app.App, looker bool) (*Link, error) {
	if a.Bus.URL != "" {
		b, err := natsbus.Connect(ctx, natsbus.Options{URL: a.Bus.URL, Creds: a.Bus.Creds, Name: "parley", Replicas: a.Bus.Replicas, Later: !looker, Logger: a.Log})
		if err != nil {
			return nil, busFault(err)
		}
		return &Link{Bus: b, end: func() error { return nil }}, nil
	}
	o := embed.Options{Hub: a.Bus.Hub, Join: a.Bus.Join, Cluster: a.Bus.Cluster, Replicas: a.Bus.Replicas, Dir: a.Bus.Dir, Logger: a.Log}
	if len(o.Cluster) > 0 {
		if o.Replicas == 0 {
			o.Replicas = min(3, len(o.Cluster))
		}
		if o.Hub == "" {
			o.Hub = "127.0.0.1:0" // for the commands of this machine
		}
	}
	if err := readSecret(a, &o, looker); err != nil {
		return nil, err
	}
	if looker {
		o.Logger = nil // what fails is told once, as the error
	}
	s, err := embed.Start(ctx, o)
	switch {
	case errors.Is(err, embed.ErrNoHub) && !looker:
		a.Log.Warn("the hub is not there: those here are served, and it is tried again", "hub", o.Join, "error", err)
	case err != nil:
		if s != nil {
			s.Close()
		}
		return nil, busFault(err)
	}
	wait, cancel := context.WithTimeout(ctx, linkFor)
	defer cancel()
	if err != nil {
		cancel() // it would be in vain
	}
	b, err := s.Connect(wait)
	if err != nil {
		s.Close()
		return nil, busFault(err)
	}
	l := &Link{Bus: b, end: s.Close, fault: s.Fault}
	if a.Bus.Hub != "" {
		l.notes = append(l.notes, hubNote(s.HubURL(), secretPlace(a)))
	}
	if o.Join != "" && b.Status().Up {
		l.notes = append(l.notes, "joined "+o.Join)
	}
	return l, nil
}

// hubNote says where the hub is, here and for others.
func hubNote(url, secret string) string {
	here := "tls://" + endpoint.Dialable(strings.TrimPrefix(url, "tls://"))
	if here == url {
		return fmt.Sprintf("hub on %s (others --join it with --secret-file %s)", url, secret)
	}
	there := here
	if host, err := os.Hostname(); err == nil {
		there = strings.Replace(here, "localhost", host, 1)
	}
	return fmt.Sprintf("hub on %s (on all addresses: others --join %s with --secret-file %s, a copy)", here, there, secret)
}

// readSecret finds the secret that the flags name.
func readSecret(a *app.App, o *embed.Options, looker bool) error {
	if looker && o.Join == "" {
		url, secret, err := embed.Place(o.Dir)
		if err != nil {
			return &fault.Error{Code: fault.Connect, Err: err, Hint: "start one with this --bus-dir, or name the hub with --join"}
		}
		o.Join, o.Secret, o.Dir = url, &secret, ""
		return nil
	}
	if looker {
		defer func() { o.Dir = "" }() // it keeps nothing
	}
	file := a.Bus.SecretFile
	switch {
	case file == "" && o.Join == "":
		return nil // that of the folder
	case file == "" && o.Dir == "":
		return &fault.Error{Code: fault.TLS, Err: errors.New("--join needs the hub's secret"), Hint: "give a copy of the file secret in the hub's --bus-dir with --secret-file"}
	case file == "":
		file = filepath.Join(o.Dir, "secret")
	}
	s, err := embed.ReadSecret(file)
	if err != nil {
		return &fault.Error{Code: fault.TLS, Err: fmt.Errorf("--secret-file: %w", err), Hint: "it is a copy of the file secret in the hub's --bus-dir"}
	}
	if othersRead(file) {
		a.Log.Warn("others on this machine may read the secret, and who has it is one of you: chmod 600 it", "file", file)
	}
	o.Secret = &s
	return nil
}

// othersRead reports whether any user of this machine may read file.
func othersRead(file string) bool {
	info, err := os.Stat(file)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}

// secretPlace is the file that others need.
func secretPlace(a *app.App) string {
	if a.Bus.SecretFile != "" {
		return a.Bus.SecretFile
	}
	return filepath.Join(a.Bus.Dir, "secret")
}

// busFault gives an error of the bus its exit code, and says what to do about it.
func busFault(err error) error {
	for _, known := range []struct {
		is   error
		code int
		hint string
	}{
		{embed.ErrOptions, fault.Usage, ""},
		{embed.ErrSecret, fault.TLS, "the file secret in the hub's --bus-dir is its secret: give a copy with --secret-file"},
		{embed.ErrVersion, fault.Protocol, "update parley on the older one"},
		{embed.ErrInUse, fault.Fail, "give each server a --bus-dir of its own; if that one is the hub, this one can --join it, with --secret-file and the file secret of that folder"},
		{embed.ErrNoHub, fault.Connect, "is a server with --hub running there, and can this machine reach it?"},
		{bus.ErrRefused, fault.Protocol, ""},
		{bus.ErrNoBus, fault.Connect, "is it running there, and can this machine reach it?"},
	} {
		if errors.Is(err, known.is) {
			return &fault.Error{Code: known.code, Err: err, Hint: known.hint}
		}
	}
	if fault.IsDial(err) {
		return &fault.Error{Code: fault.Connect, Err: err}
	}
	return &fault.Error{Code: fault.Fail, Err: err}
}
