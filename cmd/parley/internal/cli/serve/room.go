package serve

import (
	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/bridge"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// roomMode is the mode in which servers are part of a room.
func roomMode(a *app.App, m *join.Member, closeSlow bool) listen.Mode {
	from := make(map[string]parley.Protocol) // the wires that are served here, by name
	return listen.Mode{
		Serve: func(e *endpoint.Endpoint, srv *parley.Server) error {
			if e.Protocol.Traits().Clients == 1 {
				return fault.Usagef("--room: a %s server serves one client at a time, so there is nobody to relay to", e.Protocol.Name())
			}
			listen.AsIs(e, srv)
			if closeSlow {
				srv.WhenSlow = parley.SlowCut
			}
			from[e.Protocol.Name()] = e.Protocol
			m.Rooms[0].Attach(srv, cluster.Attachment{Convert: func(msg parley.Message, proto string) (parley.Message, error) {
				source := from[proto]
				if source == nil && proto != "" {
					if other, err := endpoint.Parse(proto + "://localhost:1"); err == nil {
						source = other.Protocol
					}
				}
				return bridge.Convert(msg, source, e.Protocol)
			}})
			return nil
		},
		End:  m.Close,
		With: m.Company(a),
	}
}
