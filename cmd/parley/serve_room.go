package main

import (
	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/bridge"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// roomMode is the mode in which servers are part of a room.
func roomMode(a *app, m *member, closeSlow bool) serveMode {
	from := make(map[string]parley.Protocol) // the wires that are served here, by name
	return serveMode{
		serve: func(e *endpoint.Endpoint, srv *parley.Server) error {
			if e.Protocol.Traits().Clients == 1 {
				return usagef("--room: a %s server serves one client at a time, so there is nobody to relay to", e.Protocol.Name())
			}
			asIs(e, srv)
			if closeSlow {
				srv.WhenSlow = parley.SlowCut
			}
			from[e.Protocol.Name()] = e.Protocol
			m.rooms[0].Attach(srv, cluster.Attachment{Convert: func(msg parley.Message, proto string) (parley.Message, error) {
				source := from[proto]
				if source == nil && proto != "" {
					if other, err := endpoint.Parse(proto + "://localhost:1"); err == nil {
						source = other.Protocol
					}
				}
				return bridge.Carry(msg, source, e.Protocol)
			}})
			return nil
		},
		end:  m.close,
		with: m.company(a),
	}
}
