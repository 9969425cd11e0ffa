// Package pcapng writes connections that a program has passed on, not captured
// on a network, to a file that Wireshark opens: the payload is dressed in IP
// and TCP headers, with the handshake and the end of each connection.
//
// The format is draft-ietf-opsawg-pcapng: one section, one interface of link
// type "raw IP", times in nanoseconds.
package pcapng

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"time"
)

// Block types, options and constants of the format.
const (
	sectionHeader   = 0x0A0D0D0A
	interfaceBlock  = 1
	enhancedPacket  = 6
	byteOrderMagic  = 0x1A2B3C4D
	linkTypeRaw     = 101
	optEnd          = 0
	optComment      = 1 // of anything
	optName         = 2 // of an interface
	optApplication  = 4 // of a section
	optTimestampRes = 9 // of an interface
)

// maxComment is the most of a comment that is written, in bytes: an option can't be
// longer than 64 KiB, and what is no UTF-8 there may grow to three times its size.
const maxComment = 16 << 10

// Writer writes a file. Errors of the underlying writer are kept for Flush. A
// Writer and its Flows must not be used concurrently.
type Writer struct {
	w   *bufio.Writer
	buf []byte // the block being made
}

// NewWriter begins a file that names the program and the place of capture.
func NewWriter(w io.Writer, application, place string) *Writer {
	p := &Writer{w: bufio.NewWriterSize(w, 64<<10)}
	p.begin(sectionHeader)
	p.u32(byteOrderMagic)
	p.u16(1) // version 1.0
	p.u16(0)
	p.u32(0xFFFFFFFF) // the section's length is not known
	p.u32(0xFFFFFFFF)
	p.option(optApplication, application)
	p.option(optEnd, "")
	p.end()
	p.begin(interfaceBlock)
	p.u16(linkTypeRaw)
	p.u16(0)
	p.u32(0) // packets are whole
	p.option(optName, place)
	p.option(optTimestampRes, "\x09") // 10⁻⁹ s
	p.option(optEnd, "")
	p.end()
	return p
}

// Flush writes what is buffered. It returns the first error of all writing.
func (p *Writer) Flush() error { return p.w.Flush() }

// packet writes an enhanced packet block with comments. The packet is what build
// appends.
func (p *Writer) packet(t time.Time, comments []string, build func(dst []byte) []byte) {
	p.begin(enhancedPacket)
	ns := uint64(t.UnixNano())
	p.u32(0) // the interface
	p.u32(uint32(ns >> 32))
	p.u32(uint32(ns))
	at := len(p.buf)
	p.u32(0)
	p.u32(0)
	start := len(p.buf)
	p.buf = build(p.buf)
	size := uint32(len(p.buf) - start)
	binary.LittleEndian.PutUint32(p.buf[at:], size)   // captured
	binary.LittleEndian.PutUint32(p.buf[at+4:], size) // on the wire
	p.pad()
	for _, c := range comments {
		p.option(optComment, strings.ToValidUTF8(c[:min(len(c), maxComment)], "\uFFFD"))
	}
	if len(comments) > 0 {
		p.option(optEnd, "")
	}
	p.end()
}

func (p *Writer) begin(block uint32) {
	p.buf = p.buf[:0]
	p.u32(block)
	p.u32(0) // its length, see end
}

func (p *Writer) end() {
	size := uint32(len(p.buf) + 4)
	binary.LittleEndian.PutUint32(p.buf[4:], size)
	p.u32(size)
	p.w.Write(p.buf)
}

func (p *Writer) option(code uint16, value string) {
	p.u16(code)
	p.u16(uint16(len(value)))
	p.buf = append(p.buf, value...)
	p.pad()
}

func (p *Writer) u16(v uint16) { p.buf = binary.LittleEndian.AppendUint16(p.buf, v) }
func (p *Writer) u32(v uint32) { p.buf = binary.LittleEndian.AppendUint32(p.buf, v) }

func (p *Writer) pad() {
	for len(p.buf)%4 != 0 {
		p.buf = append(p.buf, 0)
	}
}

// Open writes the handshake of a connection that client has opened.
func (p *Writer) Open(t time.Time, client, server netip.AddrPort) *Flow {
	c, s := sameFamily(client.Addr(), server.Addr())
	f := &Flow{w: p, ends: [2]end{
		{ip: c.AsSlice(), port: client.Port()},
		{ip: s.AsSlice(), port: server.Port()},
	}}
	f.send(t, fromClient, flagSYN, nil, nil)
	f.ends[fromClient].next++
	f.send(t, fromServer, flagSYN|flagACK, nil, nil)
	f.ends[fromServer].next++
	f.send(t, fromClient, flagACK, nil, nil)
	return f
}

// sameFamily returns the addresses so that one IP header can hold both.
func sameFamily(a, b netip.Addr) (netip.Addr, netip.Addr) {
	a, b = a.Unmap(), b.Unmap()
	if a.Is4() != b.Is4() {
		return netip.AddrFrom16(a.As16()), netip.AddrFrom16(b.As16())
	}
	return a, b
}
