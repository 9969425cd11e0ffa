// Package tinyproto speaks the protocol of the Python package tinyproto, versions
// 2.0.1 and 3.0. Either side may send at any time; every message is answered.
//
//	hello     FF, once, from each side as soon as it is connected
//	message   size, 4 bytes big-endian, at most F0FFFFFF; payload
//	status    FF OK, 00 error, FE connection limit, FD conflict
//
// An OK says that the peer has read the size and takes the message. It becomes
// [wire.EventConfirmed]. Whoever refuses a message sends another status and
// closes.
//
// # Eager sending
//
// The original sends a size, waits for the OK, then sends the payload: a round
// trip per message. Its receiver never checks that the sender waited. So a
// payload of up to [EagerLimit] bytes leaves directly behind its size, and any
// number of such messages in a row. A larger one waits for the OK, so that it
// can be refused before its payload. [Never] restores the original's timing.
//
// # Collisions
//
// Both sides may have a message under way before either has seen the other's.
// Between two peers that keep these rules that costs nothing. The header of a
// message is its size.
//
//  1. OKs answer headers in the order of their arrival, and leave after the
//     whole header has been read. At a message boundary FF, FE and FD are
//     statuses, while F0 and everything below begins a header. So does 00,
//     unless the stream ends behind it.
//  2. A payload of up to EagerLimit bytes follows its header directly; no
//     status of its sender comes in between. A sender that holds such a
//     payload back (Never) and sees a header of the peer in place of the OK
//     sends the payload at once: the peer waits for it.
//  3. A larger payload follows the OK to its header. Before the payload its
//     sender answers all headers that it read before that OK, and no others.
//     The receiver knows how many answers these are: as many as it had
//     messages unanswered when its OK left, because its own stream is in
//     order. When it had none, the payload comes next; therefore a peer that
//     sends large payloads without waiting is understood too, as long as
//     messages don't cross.
//  4. No status lands inside a payload: headers read while a payload is
//     leaving are answered behind it.
//
// A driver does its part when it calls Output before Send and between
// [wire.EventGranted] and the payload, and decides about every offer at once
// while a payload of its own is held: two that both wait for room would wait
// for ever.
//
// An original does not survive a collision: it takes the first byte of our
// header for a refusal. A program that talks to originals takes turns with
// them ([Protocol].Turns), and a deadline on confirmations ends what has gone wrong.
//
// docs/protocol/tinyproto.md has the protocol byte for byte, with every quirk of the original.
package tinyproto
