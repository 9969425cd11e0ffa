// Command parleypeer is parley in the benchmark, through its public API only:
//
//	parleypeer serve      a server: echo, blob (answers each message with its
//	                      last byte), stream (the same, received as streams),
//	                      sink (takes numbered messages) or fan (broadcasts)
//	parleypeer flow       sends numbered messages one way, on tinyproto
//
// Both print what went wrong and exit with 1.
package main

import (
	"fmt"
	"os"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// largest is the largest message of the benchmark, with room for its framing.
const largest = 64<<20 + 4096

// many is the oneline wire for a server with any number of clients. The
// library's own serves one at a time, as the original does; machine, checks and
// runtime are the same.
type many struct{ oneline.Protocol }

func (m many) Traits() wire.Traits {
	t := m.Protocol.Traits()
	t.Clients = 0
	return t
}

// protocolOf gives the protocol of a wire. serpy's messages are sent on in the
// mode in which they came, which is 0.
func protocolOf(name string) (parley.Protocol, error) {
	switch name {
	case "oneline":
		return many{oneline.Protocol{MaxLine: largest}}, nil
	case "tinyproto":
		return tinyproto.Protocol{}, nil
	case "tinyproto-wait": // a round trip for each message, as the original does
		return tinyproto.Protocol{Eager: tinyproto.Never}, nil
	case "serpy":
		return serpy.Protocol{ForceMode: true}, nil
	case "serpy2":
		return serpy2.Protocol{}, nil
	case "line":
		return line.Protocol{Max: largest}, nil
	case "frame": // the length codecs' form
		return frame.Protocol{Size: frame.U32BE, Strip: frame.Head, Max: largest}, nil
	}
	return nil, fmt.Errorf("unknown wire %q", name)
}

func main() {
	err := fmt.Errorf("want serve or flow; each has -h")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			err = serve(os.Args[2:])
		case "flow":
			err = flow(os.Args[2:])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "parleypeer:", err)
		os.Exit(1)
	}
}
