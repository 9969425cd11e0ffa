package parley

import (
	"net"
	"time"
)

// Limits bounds what a connection may hold in memory. A zero field means its
// default.
type Limits struct {
	// MaxMessage is the largest message in bytes that is held in memory.
	// Larger ones are refused, or received as streams where the wire
	// announces their size. Default 64 MiB; oneline has its own, smaller
	// default for a line.
	MaxMessage int64
	// MaxStream is the largest message in bytes that is received as a
	// stream. Default: what the wire allows.
	MaxStream int64
	// MaxOutput is how many bytes may wait for a peer that reads slowly
	// before Send blocks and Broadcast calls the peer slow. Default 8 MiB.
	MaxOutput int
	// MaxInput is how many bytes of received messages may wait for Receive,
	// or for a busy handler, before reading stops. Default 8 MiB; one message
	// always fits, and while somebody waits for an answer of the peer four
	// times as much does.
	MaxInput int
	// MaxQueue is how many received messages may wait likewise. Default 1024.
	MaxQueue int
	// MinRate is the least speed inside a message, in bytes per second, on
	// average over Timeouts.Progress. Default 1024, negative: any. Where it is set
	// that is not patient.
	MinRate int
}

// Timeouts bounds every wait for a peer. A zero field means its default, a
// negative one no bound.
type Timeouts struct {
	// Dial bounds connecting. Default 5 s.
	Dial time.Duration
	// Handshake bounds TLS and the wire's own greeting. Default 5 s, on
	// oneline 3 s as in the original, and there, unless it is set, a client counts
	// from the first byte on: before that it waits in the queue of the server.
	Handshake time.Duration
	// Answer bounds the wait for an answer the peer owes by the rules of the
	// wire (an OK, a mode acknowledgement) while nothing at all is answered.
	// The connection ends. Default 30 s.
	Answer time.Duration
	// Turn is how long a peer that takes turns (tinyproto.Protocol.Turns) may be
	// silent, when it has confirmed a message, before the next one leaves; one that
	// has answered need not be waited for. Default 50 ms; negative: each message
	// waits for an answer to the last one.
	Turn time.Duration
	// Write bounds how long the peer may take none of our bytes; then it is a
	// slow consumer and the connection ends. Default 10 s, patient: see Patience in
	// the package's description.
	Write time.Duration
	// Progress is the time in which a message that has begun must bring
	// Limits.MinRate × Progress bytes or end. Default 30 s, patient unless
	// Limits.MinRate is set; none on oneline, where a person may be typing.
	Progress time.Duration
	// Stall ends a connection in the middle of a message, or with output that waits,
	// when no byte has moved either way for so long. Default none.
	Stall time.Duration
	// Idle ends a connection without traffic. Default none.
	Idle time.Duration
	// Close bounds a polite Close: flushing, waiting for confirmations. A server
	// that shuts down, which has a limit of its own, waits longer for a peer that
	// has not taken all, as long as it takes something within Write. Default 5 s.
	Close time.Duration
	// Settle is how long Close waits after a last message that the peer has
	// not answered, on wires whose original peers drop what they have not yet
	// handled when the stream ends, and can't tell (serpy2). Default 1 s.
	Settle time.Duration
	// Linger bounds how long Close waits for a silent peer to close too, so
	// that what is under way is not cut by a reset; one that still sends, or has
	// not taken all that was sent, is given up to Close. Default 1 s.
	Linger time.Duration
	// HalfClose bounds how long a connection whose peer has ended its stream stays
	// open for answers: while its handler runs, while a program that receives has
	// not answered, and where Conn.PeerClosed has been asked for. Then its context
	// ends. What has been sent until then leaves. Default 30 s.
	HalfClose time.Duration
	// KeepAlive is after how long a silence the kernel asks a TCP peer whether
	// it is still there, and how often it then asks; after four questions
	// without an answer the connection ends. It does not apply to connections
	// that parley has not made: NewConn, and the listeners given to Serve; see
	// Server.Inherit.
	// Default 15 s, negative: never; whole seconds.
	KeepAlive time.Duration
}

func (l Limits) withDefaults() Limits {
	l.MaxMessage = or(l.MaxMessage, 64<<20)
	l.MaxStream = or(l.MaxStream, 1<<62)
	l.MaxOutput = or(l.MaxOutput, 8<<20)
	l.MaxInput = or(l.MaxInput, 8<<20)
	l.MaxQueue = or(l.MaxQueue, 1024)
	l.MinRate = or(l.MinRate, 1024)
	return l
}

func (t Timeouts) withDefaults(lockstep bool) Timeouts {
	t.Dial = or(t.Dial, 5*time.Second)
	if lockstep {
		t.Handshake = or(t.Handshake, 3*time.Second)
		t.Progress = or(t.Progress, -1)
	}
	t.Handshake = or(t.Handshake, 5*time.Second)
	t.Answer = or(t.Answer, 30*time.Second)
	t.Turn = or(t.Turn, 50*time.Millisecond)
	t.Write = or(t.Write, 10*time.Second)
	t.Progress = or(t.Progress, 30*time.Second)
	t.Idle = or(t.Idle, -1)
	t.Stall = or(t.Stall, -1)
	t.Close = or(t.Close, 5*time.Second)
	t.Settle = or(t.Settle, time.Second)
	t.Linger = or(t.Linger, time.Second)
	t.HalfClose = or(t.HalfClose, 30*time.Second)
	t.KeepAlive = or(t.KeepAlive, 15*time.Second)
	return t
}

// keepAlive is t.KeepAlive as package net wants it.
func (t Timeouts) keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: t.KeepAlive > 0, Idle: t.KeepAlive, Interval: t.KeepAlive, Count: 4}
}

// or returns v, or def if v is zero.
func or[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
