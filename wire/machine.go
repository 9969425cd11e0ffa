package wire

// Machine is one half of one connection. Its methods must not be called
// concurrently. None of them blocks, and in steady state none allocates,
// except to build a value that cannot be borrowed (a pickled object, a big
// integer).
type Machine interface {
	// Receive takes bytes of the peer, in order. It consumes the first n bytes
	// of p and tells at most one event: it always sets ev.Kind and ev.Owes, and the
	// fields that belong to that kind; the others keep what they had. EventNone means
	// that nothing more can be told from p: the next call must present the
	// unconsumed rest of p again, followed by at least one more byte (Receive
	// may remember how far it has looked). After any other event, including
	// one with n == 0, the driver calls Receive again with the unconsumed
	// rest, which may be empty. (An Event is large: the pointer saves a copy
	// for each message.)
	//
	// The event's slices alias p, or the machine, until the next call of
	// Receive; Receive may modify the bytes of p that it consumes.
	//
	// An error is a *ProtocolError or a *RefusedError and ends the
	// conversation: the driver writes what Output still has, and closes.
	//
	// The first call of a connection is Receive(nil, ev): a wire without a
	// handshake returns EventOpen for it.
	Receive(p []byte, ev *Event) (n int, err error)

	// ReceiveEOF says what the end of the peer's stream means. rest is what
	// Receive has not consumed. Like Receive it always sets ev.Kind and ev.Owes.
	// It returns nil at a boundary between messages and otherwise the error that
	// ended the conversation: a *ProtocolError that wraps io.ErrUnexpectedEOF, or
	// a *RefusedError. On a wire where the end of the stream ends a message, ev is
	// the last EventMessage, which aliases rest: then all of rest is consumed, and
	// a further call with an empty rest returns nil and EventNone. On a wire whose
	// payloads wait for the peer's consent ev may be EventGranted, also beside an
	// error: the peer may have ended its own direction only, so what it can't grant
	// any more leaves, and from then on no body is held. There is no other event,
	// and none before EventOpen.
	ReceiveEOF(rest []byte, ev *Event) error

	// Accept takes the message announced by EventOffer; its payload follows
	// as EventData and EventEnd. The driver calls Accept or Refuse after each
	// EventOffer, before anything else.
	Accept()

	// Refuse declines the message just offered, or, where the size was
	// unknown, the rest of the message being received. If it returns nil the
	// machine skips the message and returns EventLost (with reason) at its
	// end; otherwise the wire can only refuse by ending the connection, and
	// the driver writes Output and closes with that error.
	Refuse(reason error) error

	// Send appends the wire form of m to dst. If sent.Body says that the
	// payload is not in dst, it is m.Bytes() verbatim; the driver queues it
	// and calls BodySent. m's bytes are not kept.
	// On an error nothing was appended and the machine is unchanged:
	// ErrTooLarge, ErrNotRepresentable or ErrUnsolicited, possibly wrapped.
	// Send must not be called while a body is open or held.
	Send(dst []byte, m Message) (out []byte, sent Sent, err error)

	// SendHead is Send for a bytes message of size bytes that the driver
	// streams. Machines without Traits.SendsStreams return ErrNotRepresentable.
	SendHead(dst []byte, size int64) (out []byte, sent Sent, err error)

	// BodySent says that the last byte of the open body has been queued. A
	// body is open from a Send that returned BodyFollows, or from
	// EventGranted, until BodySent; while it is open Output appends nothing.
	BodySent()

	// Output appends the bytes owed to the peer (hello, OK, acknowledgement,
	// pong) to dst. The driver calls it before it writes and before Send, so
	// that what is owed leaves first; it need not while nothing can be: after the
	// last Output there was no Event or Sent with Owes, no error of Receive, and
	// neither Accept, Refuse nor BodySent.
	Output(dst []byte) []byte

	// Awaiting returns how many answers the peer owes without which the
	// conversation can't go on: the hello, an OK, a mode acknowledgement. A
	// driver lets no connection wait for them for ever.
	Awaiting() int

	// Close appends the wire's farewell, if it has one, to dst. Nothing may
	// be sent after it. Then Awaiting counts what should be waited for before
	// the connection is closed.
	Close(dst []byte) []byte
}

// Hinter is a machine that knows what a peer of another kind looks like.
type Hinter interface {
	Machine
	// Hint is asked before EventOpen, when the handshake has taken too long. It
	// says in a few words what was waited for, what has come instead, and what may
	// help; or "". first is how the peer's stream begins, at most MaxFirst bytes,
	// and not to be kept.
	Hint(first []byte) string
}

// Deferrer is a machine whose peer may give an answer only when its program has come
// to what stands before it.
type Deferrer interface {
	Machine
	// AwaitingProgram returns how many of the answers that Awaiting counts are such:
	// a driver that knows the peer to live may wait for them for as long as it does.
	AwaitingProgram() int
}

// Repeater is a machine that can send again, at less cost, what another one has
// sent: for wires whose form takes work, a checksum or an encoding.
type Repeater interface {
	Machine
	// Repeat is Send for a message that another machine of the same Protocol
	// value and role has sent. form is what Send appended there, payload that
	// follows excluded.
	Repeat(dst, form []byte, m Message) (out []byte, sent Sent, err error)
}

// Sharer is a Repeater whose connections need not hold a copy of the form each.
type Sharer interface {
	Repeater
	// Share is Repeat, but leaves out of dst what it returns as same: a part of
	// form, which must follow at once. All connections can share it.
	Share(dst, form []byte, m Message) (out, same []byte, sent Sent, err error)
}

// Sent is what a driver must know about a message it has just sent.
type Sent struct {
	// Body says what of the message is not yet in the bytes Send returned.
	Body Body
	// Confirm: the peer will confirm this message; one EventConfirmed counts
	// for it, in the order of sending.
	Confirm bool
	// Owes: Output has something to append.
	Owes bool
}

// Body says what of a sent message is not yet in the bytes Send returned.
type Body uint8

const (
	// BodyNone: the message is complete.
	BodyNone Body = iota
	// BodyFollows: the payload must follow at once, verbatim.
	BodyFollows
	// BodyHeld: the payload must follow when EventGranted arrives, not before.
	// Until then other messages must not be sent.
	BodyHeld
)

// Event is what Receive found. The fields say for which kinds they are set.
type Event struct {
	Kind EventKind
	// Owes, for every kind: Output has something to append.
	Owes bool
	// Message: for EventMessage the whole message; for EventOffer and EventEnd
	// the message without its payload (type, tag, flags; values that are not
	// byte strings come with EventEnd).
	Message Message
	// Data: for EventData the next piece of the payload; for EventBanner a line.
	Data []byte
	// N: for EventOffer the size of the payload in bytes, -1 if unknown; for
	// EventConfirmed the number of messages.
	N int64
	// Err: for EventLost, why; usually a *MessageError.
	Err error
}

// EventKind tells events apart.
type EventKind uint8

const (
	// EventNone: more input is needed.
	EventNone EventKind = iota
	// EventOpen: the handshake is done; comes once, before any message.
	EventOpen
	// EventBanner: Data is a line, without its end, that the peer greets people
	// with. It is no message: it is for a log, or a screen. Only before EventOpen.
	EventBanner
	// EventMessage: a whole message, already accepted.
	EventMessage
	// EventOffer: a message begins. EventMessage is the shorthand for
	// EventOffer, EventData and EventEnd when all of it is at hand.
	EventOffer
	// EventData: a piece of the message last offered, at least one byte.
	EventData
	// EventEnd: the message last offered is complete.
	EventEnd
	// EventLost: one message, the one last offered if there is one, can't be
	// delivered; the conversation goes on.
	EventLost
	// EventGranted: the peer accepts the message whose body is held; the
	// body must be sent now, before anything else.
	EventGranted
	// EventConfirmed: the peer has confirmed the N oldest messages that await
	// a confirmation (see Sent.Confirm).
	EventConfirmed
	// EventLeave: the peer says goodbye; whatever follows is to be ignored.
	EventLeave
	// EventShutdown: the peer says goodbye and asks the server to end.
	EventShutdown
)

var eventNames = [...]string{"none", "open", "banner", "message", "offer", "data", "end", "lost", "granted", "confirmed", "leave", "shutdown"}

// String returns the kind's name.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}
