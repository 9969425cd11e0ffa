// Package wire is the contract between parley's runtime and its protocols.
//
// A protocol is a value. For every connection it makes a [Machine]: one half
// of one conversation as a pure state machine, bytes in and events out,
// messages in and bytes out. A machine knows no socket, no clock, no goroutine
// and no lock; whoever drives it (the goroutine driver, the event loop, a
// proxy, a test) brings those. The same machine therefore serves every driver
// and both roles, and can be tested without a network.
//
// The methods of a machine come in four families:
//
//   - feed: Receive and ReceiveEOF take what the peer sent.
//   - answer: Accept and Refuse decide about a message the peer has announced.
//   - speak: Send, SendHead, BodySent and Close make the bytes of our own messages.
//   - look: Output and Awaiting tell what is owed, by us and to us.
//
// A driver is a short loop: feed what has arrived until EventNone, act on each
// event, append Output, write. A machine is not safe for concurrent use: its
// driver holds one lock around every call.
//
// A wire of one's own takes a [Protocol] and a Machine that embeds [Simple]:
// docs/write-your-own-wire.md is the tutorial, the example of Protocol its code, and
// package wire/wiretest tests it. A [Plugin] transforms whole messages.
//
// The bytes themselves are described in docs/protocol, one page per wire.
package wire
