// Package web lets browsers in: one HTTP port, one WebSocket for each page, and behind it
// only the targets that have a name here.
//
// A [Door] has targets: rooms ([Room]) and devices, by their address ([Device]) or by the node
// that owns them ([Owned]). A page asks for a ticket
// (POST /ticket), opens /ws with the subprotocol parley.v1 and says hello with it. Then it
// subscribes, sends and calls in JSON frames that have the keys of the recording format
// (package recording); docs/protocol/web.md has every frame. parley.js, which the door
// serves, does that for those who want it, and /events?to=NAME is the same for reading only.
//
// # Trust
//
// On loopback whoever opens a page of the door itself may do everything, as whoever has a
// terminal there. Elsewhere the door wants TLS and users ([Users]). A page of another site gets
// neither a ticket nor a socket: its Origin must be the door's own host or be listed. A name
// that merely leads here is refused, so that a foreign site can't become the door's own host.
//
// # Bounds
//
// Sockets, subscriptions, calls under way, the size of frames and what all of them hold
// together are bounded ([Limits]). A page that reads too slowly sees fewer messages and is told
// how many it missed; nobody waits for it.
package web
