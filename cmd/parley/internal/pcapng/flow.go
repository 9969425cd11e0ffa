package pcapng

import (
	"encoding/binary"
	"time"
)

// Flow is one connection. Its sequence numbers begin at 0, so that those of
// the payload are its offset in the stream plus one.
type Flow struct {
	w    *Writer
	ends [2]end
}

// end is one end of a connection.
type end struct {
	ip   []byte // 4 bytes, or 16
	port uint16
	next uint32 // sequence number of the next byte it sends
}

const (
	fromClient = 0
	fromServer = 1
)

// Flags of TCP.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

const (
	// maxSegment is the most payload of a packet: with its headers it must
	// stay below 64 KiB.
	maxSegment = 32 << 10
	// The window is 1 GiB, so that no peer ever looks slow: what a receiver
	// really had room for is not known.
	window      = 0xFFFF
	windowScale = 14
)

// synOptions are the largest segment and the scale of the window.
var synOptions = []byte{2, 4, maxSegment >> 8, maxSegment & 0xFF, 1, 3, 3, windowScale}

// side returns the index of the end that sends.
func side(client bool) int {
	if client {
		return fromClient
	}
	return fromServer
}

// Data writes what the client, or the server, has sent. The comments, of which 16 KiB
// each are kept, stand at the last of its packets.
func (f *Flow) Data(t time.Time, client bool, p []byte, comments ...string) {
	from := side(client)
	for len(p) > 0 {
		n := min(len(p), maxSegment)
		var here []string
		if n == len(p) {
			here = comments
		}
		f.send(t, from, flagPSH|flagACK, p[:n], here)
		f.ends[from].next += uint32(n)
		p = p[n:]
	}
}

// Skip says that n bytes have been sent that are not in the file. Wireshark
// shows them as not captured.
func (f *Flow) Skip(client bool, n int) { f.ends[side(client)].next += uint32(n) }

// Fin writes the end of one direction, with comments.
func (f *Flow) Fin(t time.Time, client bool, comments ...string) {
	from := side(client)
	f.send(t, from, flagFIN|flagACK, nil, comments)
	f.ends[from].next++
	f.send(t, 1-from, flagACK, nil, nil)
}

// Reset writes the reset of the connection.
func (f *Flow) Reset(t time.Time, client bool) { f.send(t, side(client), flagRST|flagACK, nil, nil) }

// send writes one packet.
func (f *Flow) send(t time.Time, from int, flags byte, payload []byte, comments []string) {
	f.w.packet(t, comments, func(dst []byte) []byte {
		src, to := &f.ends[from], &f.ends[1-from]
		var options []byte
		if flags&flagSYN != 0 {
			options = synOptions
		}
		header := 20 + len(options)
		dst = appendIP(dst, src.ip, to.ip, header+len(payload))
		start := len(dst)
		dst = binary.BigEndian.AppendUint16(dst, src.port)
		dst = binary.BigEndian.AppendUint16(dst, to.port)
		dst = binary.BigEndian.AppendUint32(dst, src.next)
		ack := to.next
		if flags&flagACK == 0 {
			ack = 0
		}
		dst = binary.BigEndian.AppendUint32(dst, ack)
		dst = append(dst, byte(header/4)<<4, flags)
		dst = binary.BigEndian.AppendUint16(dst, window)
		dst = append(dst, 0, 0, 0, 0) // the checksum, and no urgent data
		dst = append(dst, options...)
		dst = append(dst, payload...)
		segment := dst[start:]
		binary.BigEndian.PutUint16(segment[16:], ^fold(pseudoHeader(src.ip, to.ip, len(segment))+sum(segment)))
		return dst
	})
}

const protocolTCP = 6

// appendIP appends the header of an IP packet with size bytes of TCP.
func appendIP(dst, src, to []byte, size int) []byte {
	start := len(dst)
	if len(src) == 4 {
		dst = append(dst, 0x45, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(20+size))
		dst = append(dst, 0, 0, 0x40, 0) // no identification: don't fragment
		dst = append(dst, 64, protocolTCP, 0, 0)
		dst = append(append(dst, src...), to...)
		binary.BigEndian.PutUint16(dst[start+10:], ^fold(sum(dst[start:])))
		return dst
	}
	dst = append(dst, 0x60, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	dst = append(dst, protocolTCP, 64)
	return append(append(dst, src...), to...)
}

// pseudoHeader returns the sum of what a TCP checksum covers besides the
// segment.
func pseudoHeader(src, to []byte, size int) uint64 {
	return sum(src) + sum(to) + protocolTCP + uint64(size)
}

// sum adds the 16-bit words of p.
func sum(p []byte) (s uint64) {
	for ; len(p) >= 2; p = p[2:] {
		s += uint64(p[0])<<8 | uint64(p[1])
	}
	if len(p) > 0 {
		s += uint64(p[0]) << 8
	}
	return s
}

// fold returns a sum in 16 bits, with end-around carry.
func fold(s uint64) uint16 {
	for s > 0xFFFF {
		s = s>>16 + s&0xFFFF
	}
	return uint16(s)
}
