package tap

import (
	"unicode/utf8"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// Kind says what an Item is.
type Kind string

// The kinds of items.
const (
	// Open: both sides have said the wire's greeting, or the first message
	// came before that. It comes once, before any other item but Banner, Stopped
	// and the Lost of a stream that has ended too early.
	Open Kind = "open"
	// Banner: a line with which a server greets people; its text is the Message.
	// It comes before Open.
	Banner Kind = "banner"
	// Message: a whole message.
	Message Kind = "message"
	// Lost: a message that can't be shown; Err says why. The decoding goes on.
	Lost Kind = "lost"
	// Confirmed: From confirms N messages of the other side, in their order.
	Confirmed Kind = "confirmed"
	// Leave and Shutdown: the wire's farewells. Only a client has them.
	Leave    Kind = "leave"
	Shutdown Kind = "shutdown"
	// Stopped: From broke the rules of the wire, or refused the other side.
	// Nothing more of this connection is decoded; Err says why.
	Stopped Kind = "stopped"
)

// Item is something that one side has said.
type Item struct {
	From    wire.Role // who said it: Dialing is the client
	Kind    Kind
	Message wire.Message // its bytes are valid until the Decoder's emit returns
	N       int64
	Err     error
}

// A Decoder follows one conversation from both sides' bytes. It must be given
// them in an order that keeps cause and effect: what a side says as a
// consequence of what it has read is fed after that.
//
// Every byte is decoded by a machine that plays the side which reads it. Such
// a machine has to know what its own side has said: an OK of tinyproto answers
// a header, an acknowledgement of serpy a message. So each message is told to
// the machine that listens to the other side, as one that has been sent. (It is
// told as an empty message: only their number counts. With echo it is told as it
// was said.)
type Decoder struct {
	emit    func(Item)
	traits  wire.Traits
	max     int64
	halves  [2]half // by who speaks
	oneline *onelineRules
	echoes  bool // the server repeats what the client says
	opened  bool
	stopped bool
	ev      wire.Event
	scratch []byte
}

// half is one direction.
type half struct {
	from    wire.Role
	m       wire.Machine // of the side that listens
	in      []byte       // what it has not consumed
	dry     bool         // it can tell no more before more has come
	opened  bool
	ended   bool
	offer   *offer // the message being received
	said    int64  // messages that the other side has to confirm
	settled int64  // of these, how many it has
	extra   int64  // bytes that m was given besides those of from
}

// offer is a message that was announced.
type offer struct {
	message  wire.Message
	size     int64
	accepted bool
	data     []byte
	dropped  bool // it is larger than the limit
}

// NewDecoder returns a decoder of the protocol p that calls emit with each
// item. Messages above max bytes are Lost. On serpy, messages of modes 4 and 5
// are the pickles themselves, as bytes.
func NewDecoder(p wire.Protocol, max int64, emit func(Item)) *Decoder {
	d := &Decoder{emit: emit, max: max}
	switch own := p.(type) {
	case oneline.Protocol:
		own.MaxLine = int(min(max, 1<<30))
		d.oneline = newOnelineRules(own)
		p = own
	case serpy.Protocol:
		own.NoPickle = true
		own.ForceMode = false // or an empty message could not be told
		p = own
	case line.Protocol:
		d.echoes = own.Echo
	}
	d.traits = p.Traits()
	for _, from := range []wire.Role{wire.Dialing, wire.Accepting} {
		d.halves[from] = half{from: from, m: p.New(from.Peer(), wire.Limits{MaxMessage: max})}
	}
	d.pump()
	return d
}

// Held returns how much memory unfinished messages hold.
func (d *Decoder) Held() (n int64) {
	for i := range d.halves {
		h := &d.halves[i]
		n += int64(cap(h.in))
		if h.offer != nil {
			n += int64(cap(h.offer.data))
		}
	}
	return n
}

// Feed decodes what from has said next. It keeps p, and may change it.
func (d *Decoder) Feed(from wire.Role, p []byte) {
	h := &d.halves[from]
	if d.stopped || h.ended || len(p) == 0 {
		return
	}
	if len(h.in) == 0 {
		h.in = p
	} else {
		h.in = append(h.in, p...)
	}
	h.dry = false
	d.pump()
}

// EOF says that from has ended its stream. The other side may go on.
func (d *Decoder) EOF(from wire.Role) {
	h := &d.halves[from]
	if d.stopped || h.ended {
		return
	}
	h.ended = true
	if err := h.m.ReceiveEOF(h.in, &d.ev); err != nil {
		d.emit(Item{From: from, Kind: Lost, Err: h.placed(err)})
	} else {
		d.handle(h, &d.ev) // the end of the stream may end a message
	}
	h.in, h.offer = nil, nil
}

// Stop ends the decoding, for a reason that from has given.
func (d *Decoder) Stop(from wire.Role, err error) {
	if d.stopped {
		return
	}
	d.stopped = true
	for i := range d.halves {
		d.halves[i].in, d.halves[i].offer = nil, nil
	}
	d.emit(Item{From: from, Kind: Stopped, Err: err})
}

// pump lets both machines go as far as they can. What one finds may be what
// the other waits for.
func (d *Decoder) pump() {
	for again := true; again && !d.stopped; {
		client := d.advance(&d.halves[wire.Dialing])
		again = d.advance(&d.halves[wire.Accepting]) || client
	}
}

// advance lets one machine go as far as it can. It reports whether it went
// anywhere.
func (d *Decoder) advance(h *half) (moved bool) {
	for !d.stopped && !h.ended && !h.dry {
		if h.waits() && !d.accept(h) {
			return moved
		}
		ev := &d.ev
		n, err := h.m.Receive(h.in, ev)
		if err != nil {
			d.Stop(h.from, h.placed(err))
			return true
		}
		taken := h.in[:n]
		h.in = h.in[n:]
		d.scratch = h.m.Output(d.scratch[:0]) // what the listener will answer
		if d.oneline != nil {
			d.oneline.look(d, h, taken, ev)
		}
		h.dry = ev.Kind == wire.EventNone
		moved = moved || n > 0 || !h.dry
		d.handle(h, ev)
	}
	return moved
}

// placed returns an error with the place in what the side has really said.
func (h *half) placed(err error) error {
	if e, ok := err.(*wire.ProtocolError); ok {
		e.Offset -= h.extra
	}
	return err
}

// handle makes items of an event.
func (d *Decoder) handle(h *half, ev *wire.Event) {
	switch ev.Kind {
	case wire.EventOpen:
		h.opened = true
		if d.halves[wire.Dialing].opened && d.halves[wire.Accepting].opened {
			d.open()
		}
	case wire.EventBanner:
		m := wire.Bytes(ev.Data)
		if utf8.Valid(ev.Data) {
			m = wire.TextBytes(ev.Data)
		}
		d.emit(Item{From: h.from, Kind: Banner, Message: m})
	case wire.EventMessage:
		d.tell(h, ev.Message)
		d.item(Item{From: h.from, Kind: Message, Message: ev.Message})
	case wire.EventOffer:
		d.tell(h, ev.Message)
		h.offer = &offer{message: ev.Message, size: ev.N, dropped: ev.N > d.max}
		if !d.traits.Confirms || ev.N <= tinyproto.EagerLimit {
			h.accept()
		}
	case wire.EventData:
		if !h.offer.dropped {
			h.offer.data = append(h.offer.data, ev.Data...)
		}
	case wire.EventEnd:
		d.end(h, ev.Message)
	case wire.EventLost:
		h.offer = nil
		d.item(Item{From: h.from, Kind: Lost, Err: ev.Err})
	case wire.EventConfirmed:
		other := &d.halves[h.from.Peer()]
		other.settled += ev.N
		if other.waits() {
			d.accept(other) // now: what h says next counts no more
		}
		d.item(Item{From: h.from, Kind: Confirmed, N: ev.N})
	case wire.EventLeave:
		d.item(Item{From: h.from, Kind: Leave})
	case wire.EventShutdown:
		d.item(Item{From: h.from, Kind: Shutdown})
	}
}

// open emits Open, once.
func (d *Decoder) open() {
	if !d.opened {
		d.opened = true
		d.emit(Item{Kind: Open})
	}
}

func (d *Decoder) item(i Item) {
	if !d.stopped {
		d.open()
		d.emit(i)
	}
}

// end emits the message that was announced.
func (d *Decoder) end(h *half, m wire.Message) {
	o := h.offer
	h.offer = nil
	if o.dropped {
		d.item(Item{From: h.from, Kind: Lost, Err: &TooLargeError{Size: o.size, Max: d.max}})
		return
	}
	d.item(Item{From: h.from, Kind: Message, Message: m.WithBytes(o.data)})
}

// tell lets the machine that listens to the other side know of a message that
// the other side has to confirm, or will repeat.
func (d *Decoder) tell(h *half, m wire.Message) {
	if d.echoes && h.from == wire.Dialing {
		d.sent(h, m) // one that can't be said again has no echo that is known
		return
	}
	if !d.traits.Confirms {
		return
	}
	if mode, ok := serpy.Mode(m); ok && mode&1 == 0 {
		return // serpy acknowledges the odd modes
	}
	h.said++
	if err := d.sent(h, wire.Bytes(nil).WithConfirm()); err != nil {
		d.Stop(h.from, err)
	}
}

// sent lets the machine that plays h's side send m.
func (d *Decoder) sent(h *half, m wire.Message) error {
	other := d.halves[h.from.Peer()].m
	d.scratch = other.Output(d.scratch[:0])
	out, _, err := other.Send(d.scratch[:0], m)
	if err == nil {
		d.scratch = out
	}
	return err
}

// waits reports whether h has announced a message that is not accepted.
func (h *half) waits() bool { return h.offer != nil && !h.offer.accepted }

func (h *half) accept() {
	h.offer.accepted = true
	h.m.Accept()
}

// accept takes the message that h has announced, when it is known what stands
// between its header and its payload.
//
// That is only a question on tinyproto, and there for large messages: their
// sender waits for the OK, and answers meanwhile what the other side has begun
// before that OK. The machine counts these answers when it accepts, so it has
// to accept where the other side has: at the OK. Two that have announced at the
// same time wait for each other's OK, behind which nothing else can have been
// begun. And if more bytes have come than there is to answer, the sender has
// not waited.
func (d *Decoder) accept(h *half) bool {
	other := &d.halves[h.from.Peer()]
	if other.waits() {
		other.accept()
	} else if h.settled < h.said && int64(len(h.in)) <= other.said-other.settled {
		return false
	}
	h.accept()
	return true
}
