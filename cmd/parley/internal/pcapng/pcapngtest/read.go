// Package pcapngtest reads capture files for tests. It knows only what package
// pcapng writes, and is strict about it.
package pcapngtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// The flags of TCP.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Packet is a packet of TCP.
type Packet struct {
	Time     time.Time
	Src, To  netip.AddrPort
	Seq, Ack uint32
	Flags    byte
	Window   uint16
	Options  []byte
	Payload  []byte
	Comments []string
}

// Flow names the direction of the packet: SRC>TO.
func (p Packet) Flow() string { return p.Src.String() + ">" + p.To.String() }

// Read returns the packets of a file, and the options of its section and
// interface, by "section N" and "interface N". It checks every length and
// checksum.
func Read(tb testing.TB, file []byte) (packets []Packet, options map[string]string) {
	tb.Helper()
	options = make(map[string]string)
	var comments []string // of the packet
	readOptions := func(kind string, b []byte) {
		comments = nil
		for len(b) >= 4 {
			code, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
			if code == 0 {
				if n != 0 || len(b) != 4 {
					tb.Fatalf("%s: %d bytes behind the end of the options", kind, len(b)-4)
				}
				return
			}
			if kind == "packet" && code == 1 {
				comments = append(comments, string(b[4:4+n]))
			}
			options[fmt.Sprintf("%s %d", kind, code)] = string(b[4 : 4+n])
			b = b[4+(n+3)/4*4:]
		}
		tb.Fatalf("%s: its options have no end", kind)
	}
	for i := 0; len(file) > 0; i++ {
		kind, size := binary.LittleEndian.Uint32(file), binary.LittleEndian.Uint32(file[4:])
		if size%4 != 0 || int(size) > len(file) || binary.LittleEndian.Uint32(file[size-4:]) != size {
			tb.Fatalf("block %d of type %x: bad length %d", i, kind, size)
		}
		body := file[8 : size-4]
		file = file[size:]
		switch {
		case i == 0 && kind == 0x0A0D0D0A:
			if !bytes.HasPrefix(body, []byte{0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}) {
				tb.Fatalf("section header % x", body)
			}
			readOptions("section", body[16:])
		case i == 1 && kind == 1:
			if !bytes.Equal(body[:8], []byte{101, 0, 0, 0, 0, 0, 0, 0}) {
				tb.Fatalf("interface % x", body)
			}
			readOptions("interface", body[8:])
		case i > 1 && kind == 6:
			captured, original := binary.LittleEndian.Uint32(body[12:]), binary.LittleEndian.Uint32(body[16:])
			if binary.LittleEndian.Uint32(body) != 0 || captured != original || len(body) < 20+int(captured+3)/4*4 {
				tb.Fatalf("packet header % x", body[:20])
			}
			ns := uint64(binary.LittleEndian.Uint32(body[4:]))<<32 | uint64(binary.LittleEndian.Uint32(body[8:]))
			p := readIP(tb, body[20:20+captured])
			if more := body[20+int(captured+3)/4*4:]; len(more) > 0 {
				readOptions("packet", more)
				p.Comments = comments
			}
			p.Time = time.Unix(0, int64(ns)).UTC()
			packets = append(packets, p)
		default:
			tb.Fatalf("block %d has the type %x", i, kind)
		}
	}
	return packets, options
}

func readIP(tb testing.TB, b []byte) Packet {
	tb.Helper()
	var src, to netip.Addr
	var tcp []byte
	switch b[0] >> 4 {
	case 4:
		if len(b) != int(binary.BigEndian.Uint16(b[2:])) || b[9] != 6 || checksum(b[:20]) != 0xFFFF {
			tb.Fatalf("IPv4 header % x", b[:20])
		}
		src, to, tcp = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[20:]
	case 6:
		if len(b) != 40+int(binary.BigEndian.Uint16(b[4:])) || b[6] != 6 {
			tb.Fatalf("IPv6 header % x", b[:40])
		}
		src, to, tcp = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[40:]
	default:
		tb.Fatalf("IP version of % x", b[:1])
	}
	pseudo := binary.BigEndian.AppendUint32(append(src.AsSlice(), to.AsSlice()...), uint32(len(tcp)))
	if checksum(append(pseudo, 0, 0, 0, 6), tcp) != 0xFFFF {
		tb.Fatalf("TCP checksum of % x", tcp[:20])
	}
	header := int(tcp[12]>>4) * 4
	return Packet{
		Src:     netip.AddrPortFrom(src, binary.BigEndian.Uint16(tcp)),
		To:      netip.AddrPortFrom(to, binary.BigEndian.Uint16(tcp[2:])),
		Seq:     binary.BigEndian.Uint32(tcp[4:]),
		Ack:     binary.BigEndian.Uint32(tcp[8:]),
		Flags:   tcp[13],
		Window:  binary.BigEndian.Uint16(tcp[14:]),
		Options: tcp[20:header],
		Payload: tcp[header:],
	}
}

// checksum is that of the Internet over all parts, of which only the last may
// have an odd length: FFFF if they hold a right one.
func checksum(parts ...[]byte) uint16 {
	var s uint32
	for i, c := range bytes.Join(parts, nil) {
		if i%2 == 0 {
			s += uint32(c) << 8
		} else {
			s += uint32(c)
		}
		s = s>>16 + s&0xFFFF
	}
	return uint16(s)
}

// Reassemble follows every connection as a receiver would, and returns what
// each end has sent, by Flow.
func Reassemble(tb testing.TB, packets []Packet) map[string]string {
	tb.Helper()
	next := make(map[string]uint32)
	streams := make(map[string]string)
	for i, p := range packets {
		back := Packet{Src: p.To, To: p.Src}.Flow()
		if p.Seq != next[p.Flow()] {
			tb.Errorf("packet %d, %s: sequence number %d, want %d", i, p.Flow(), p.Seq, next[p.Flow()])
		}
		if p.Flags&ACK != 0 && p.Ack != next[back] {
			tb.Errorf("packet %d, %s: acknowledges %d, want %d", i, p.Flow(), p.Ack, next[back])
		}
		if p.Flags&(SYN|FIN) != 0 {
			next[p.Flow()]++
		}
		next[p.Flow()] += uint32(len(p.Payload))
		streams[p.Flow()] += string(p.Payload)
	}
	return streams
}
