package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"sync"
	"time"

	"github.com/parley-net/parley/bus"
)

const (
	pieceSize = 512 << 10
	window    = 8 // pieces that a receiver need not have acknowledged yet
	pieceHead = 1 + 8 + 8 + 4 + 4 + 4 + 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sending is a big message of ours that is under way.
type sending struct {
	mu    sync.Mutex
	acked map[string]uint32 // by receiver: how many pieces it has
	moved chan struct{}     // something was acknowledged
}

// publishBig publishes p, the form of message seq, in pieces. It goes at the pace of the
// slowest node of the room; one that takes nothing for pieceTimeout is not waited for.
func (n *Node) publishBig(ctx context.Context, r *Room, seq uint64, p []byte) error {
	s := &sending{acked: make(map[string]uint32), moved: make(chan struct{}, 1)}
	for _, name := range n.in(r.name) {
		s.acked[name] = 0
	}
	key := bigKey(r.name, seq)
	n.mu.Lock()
	n.sends[key] = s
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.sends, key)
		n.mu.Unlock()
	}()
	total := uint32((len(p) + pieceSize - 1) / pieceSize)
	buf := make([]byte, 0, pieceHead+256+pieceSize)
	for i := range total {
		if err := s.wait(ctx, int64(i)-window); err != nil {
			return err
		}
		piece := p[i*pieceSize:]
		piece = piece[:min(len(piece), pieceSize)]
		buf = append(buf[:0], form)
		buf = binary.BigEndian.AppendUint64(buf, n.incarnation)
		buf = binary.BigEndian.AppendUint64(buf, seq)
		buf = binary.BigEndian.AppendUint32(buf, i)
		buf = binary.BigEndian.AppendUint32(buf, total)
		buf = binary.BigEndian.AppendUint32(buf, crc32.Checksum(piece, castagnoli))
		buf = append(append(buf, byte(len(n.o.Name))), n.o.Name...)
		if err := n.bus.Publish(ctx, n.subject("room", r.name, "c"), append(buf, piece...)); err != nil {
			return fmt.Errorf("piece %d of %d: %w", i+1, total, err)
		}
	}
	return nil
}

// bigKey tells a node's big messages apart.
func bigKey(room string, seq uint64) uint64 {
	return seq<<32 | uint64(crc32.Checksum([]byte(room), castagnoli))
}

// wait waits until every receiver has piece i. Those that stand still are left behind.
func (s *sending) wait(ctx context.Context, i int64) error {
	late := time.NewTimer(pieceTimeout)
	defer late.Stop()
	for {
		s.mu.Lock()
		behind := 0
		for _, n := range s.acked {
			if int64(n) <= i {
				behind++
			}
		}
		s.mu.Unlock()
		if behind == 0 {
			return nil
		}
		select {
		case <-s.moved:
		case <-late.C:
			s.mu.Lock()
			maps.DeleteFunc(s.acked, func(_ string, n uint32) bool { return int64(n) <= i })
			s.mu.Unlock()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// An acknowledgement is the big message's key, how many pieces are there, and the receiver's name.
func (n *Node) ack(msg bus.Message) {
	if len(msg.Data) < 12 {
		return
	}
	n.mu.Lock()
	s := n.sends[binary.BigEndian.Uint64(msg.Data)]
	n.mu.Unlock()
	if s == nil {
		return
	}
	name := string(msg.Data[12:])
	s.mu.Lock()
	if had, ok := s.acked[name]; ok {
		s.acked[name] = max(had, binary.BigEndian.Uint32(msg.Data[8:]))
	}
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// assembly is a big message of another node that is under way.
type assembly struct {
	seq   uint64
	total uint32
	have  uint32
	data  []byte
	timer *time.Timer
}

func (a *assembly) end() { a.timer.Stop() }

// piece takes a piece. Pieces come in order, so one that is not next ends the message.
func (r *Room) piece(p []byte) {
	if len(p) < pieceHead || p[0] != form || len(p) < pieceHead+int(p[pieceHead-1]) {
		r.node.log.Warn("a piece of a message is not understood: is a node of another version there?", "room", r.name)
		return
	}
	incarnation, seq := binary.BigEndian.Uint64(p[1:]), binary.BigEndian.Uint64(p[9:])
	number, total, sum := binary.BigEndian.Uint32(p[17:]), binary.BigEndian.Uint32(p[21:]), binary.BigEndian.Uint32(p[25:])
	node := string(p[pieceHead : pieceHead+int(p[pieceHead-1])])
	p = p[pieceHead+len(node):]
	if incarnation == r.node.incarnation {
		return
	}
	const most = (headMax + MaxMessage + pieceSize - 1) / pieceSize
	good := number < total && total <= most && len(p) <= pieceSize && (len(p) == pieceSize || number == total-1) && crc32.Checksum(p, castagnoli) == sum
	whole, went := r.assemble(incarnation, node, seq, number, total, p, good)
	if went {
		ack := binary.BigEndian.AppendUint64(nil, bigKey(r.name, seq))
		ack = binary.BigEndian.AppendUint32(ack, number+1)
		r.node.bus.Publish(context.Background(), r.node.subject("node", node, "ack"), append(ack, r.node.o.Name...))
	}
	if whole == nil {
		return
	}
	e, err := parse(whole)
	if err != nil || e.seq != seq || e.incarnation != incarnation {
		r.node.log.Warn("a big message of the room is not understood", "room", r.name, "node", node, "err", err)
		return
	}
	r.take(&e)
}

// assemble adds a piece, and returns the message when it is whole. went says that the
// piece was the next one.
func (r *Room) assemble(incarnation uint64, node string, seq uint64, number, total uint32, p []byte, good bool) (whole []byte, went bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.origins[incarnation]
	if o == nil {
		if number > 0 {
			return nil, false // it began before this node came
		}
		o = &origin{node: node, last: seq - 1, told: seq - 1}
		r.origins[incarnation] = o
	}
	a := o.big
	if a != nil && (a.seq != seq || a.have != number || !good || a.total != total) {
		r.abandon(o, a)
		a = nil
	}
	if a == nil {
		if number > 0 || !good || seq <= o.last {
			return nil, false
		}
		a = &assembly{seq: seq, total: total}
		a.timer = time.AfterFunc(pieceTimeout, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if o.big == a {
				r.abandon(o, a)
			}
		})
		o.big = a
	}
	a.timer.Reset(pieceTimeout)
	if need := len(a.data) + len(p); need > cap(a.data) { // it grows with what arrives, not with what was announced
		a.data = append(make([]byte, 0, max(need, min(4*need, int(total)*pieceSize))), a.data...)
	}
	a.data = append(a.data, p...)
	a.have++
	if a.have < total {
		return nil, true
	}
	a.end()
	o.big = nil
	return a.data, true
}

// abandon gives an unfinished message up, with the lock held. That it is missing shows
// when the node's next message, or its entry in the registry, comes.
func (r *Room) abandon(o *origin, a *assembly) {
	a.end()
	o.big = nil
	o.told = max(o.told, a.seq)
	r.stats.Incomplete++
}
