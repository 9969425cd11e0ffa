// Package parley lets programs talk over TCP in messages.
//
// It speaks four wires (protocols), byte for byte as the Python packages socket-oneline,
// tinyproto, serpy and serpy2 do, in either role; each is a value of its own
// package: oneline.Protocol{}, tinyproto.Protocol{}, serpy.Protocol{},
// serpy2.Protocol{}. Packages line and frame have wires that are configured, for
// devices that nobody wrote for parley: line.Protocol, line.SCPI(), frame.Protocol.
// Everything else is the same for all of them.
//
// # Servers
//
// A [Server] accepts connections and gives each message to its [Handler]:
//
//	srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: device}
//	err := srv.ListenAndServe("127.0.0.1:5001", "[::1]:5001", "unix:/run/device.sock")
//
// The zero value of every other field is usable and safe: connections,
// messages, queues and waits are bounded (see [Limits] and [Timeouts]).
// [Server.Shutdown] ends it gracefully, [Server.Close] at once.
//
// With Pull instead of a Handler, [Server.Accept] hands out connections. [Wrap] puts
// [Middleware] around a Handler, a [Key] keeps a value on each connection, and [Hooks] are
// called at the turning points of its life. [Server.Stats] counts, also what goes wrong.
//
// # Connections
//
// [Dial] connects to a peer. A [Conn] sends with Send, Confirm (send, and wait
// for the wire's own confirmation) and Call (send, and return the next message
// that arrives), and receives with Receive and Messages. Every method that may
// wait takes a context; one that times out leaves the connection as it was. Answers
// belong to questions by their order: what comes for a Call that has given up is
// no other's answer, see [Conn.Call].
//
//	c, err := parley.Dial(ctx, oneline.Protocol{}, "device.lab:5001")
//	answer, err := c.Call(ctx, parley.Text("*IDN?"))
//
// All methods may be called concurrently, and from the connection's own
// handler: a handler may send any amount, Confirm, Call or Receive, and
// nothing deadlocks. Messages that are too large for memory are sent and
// received as streams where the wire allows it.
//
// A [Client] keeps a connection alive.
//
// # Messages
//
// A [Message] is a small value: text, bytes, an integer, a float or an object,
// made by [Text], [Bytes], [Int], [Float] and [Object]. What a wire does not
// carry it refuses with [ErrNotRepresentable]; nothing is changed silently. A
// message given to a handler borrows its bytes: Clone keeps them. What Receive
// returns is the caller's.
//
// The bytes of each wire, and what the originals do with them, are in
// docs/protocol.
//
// # Tests, wires and plugins of your own
//
// Package parleytest tests programs without a network and without waiting, in virtual
// time. Package wire is the contract of wires and of plugins, package wire/wiretest
// tests both, and docs/write-your-own-wire.md is the way there. A [Plugin] transforms
// messages: packages plugin/checksum, plugin/seal, plugin/zstd.
//
// # Errors
//
// A [ProtocolError] says that the peer broke the rules of the wire, at which
// byte, and ends the connection. A [MessageError] says that one message was
// lost; the connection lives. The caller's mistakes are ErrTooLarge,
// ErrNotRepresentable, ErrUnsolicited and the like; nothing was sent. A wait
// that was too long is a [TimeoutError] and matches os.ErrDeadlineExceeded.
//
// # Patience
//
// A slow peer is not an attacker as long as there is room. [Timeouts].Write, and
// Progress with Limits.MinRate, are patient where they are left at zero: they count
// only while the server is short of places (a newcomer finds fewer than a quarter of
// MaxConns free) or of memory (the [Budget] is above three quarters). Then a connection
// in the middle of a message, or with output that its peer does not take, whose time is
// over has to go, the slowest first, until there is room; one that is idle is left
// alone, see Timeouts.Idle. A field that is set counts always.
//
// Until then the kernel tells whether the peer lives: without output by keep-alive,
// with it, on Linux, by what it answers to what is sent again. A process that stands
// still is alive. Where nothing tells, the fields count always, with their defaults:
// on connections that parley has not made (pipes, NewConn, ServeConn, Dialer.NetDial,
// the listeners given to Serve; see Server.Inherit), without Timeouts.KeepAlive, and elsewhere than on
// Linux while output waits.
//
// # Logs
//
// What peers can have written to a Logger is bounded: three lines of a kind for
// each connection, a hundred a second over all connections of a Server or Dialer,
// and 256 KiB, beyond which it is less than a tenth of what arrives. The others
// are counted, none is lost silently: a warning "log lines left out" tells once a
// second how many they were, of which kinds, and from which three addresses most
// of them came. Lines that no peer brings about are not bounded.
package parley
