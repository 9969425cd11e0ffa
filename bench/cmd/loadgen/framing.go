package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
)

// framing is how one wire carries a payload, and what stands around the
// messages.
type framing struct {
	wrap   func(body []byte) []byte // a request
	answer func(body []byte) []byte // the answer to it; nil: the same
	greet  func(fd int) error       // the conversation before the first message; nil: none
	thank  []byte                   // said for each answer, before the next message
	early  []byte                   // said for each answer as soon as its head has come
	skip   []byte                   // may stand between answers
	other  []byte                   // may come in place of an answer, and is as long
	grant  []byte                   // what a large message's head waits for, see blob
	head   int                      // bytes of that head
	before int                      // bytes of a request in front of the payload
}

func framingOf(wire string) (framing, error) {
	ending := func(b byte) func([]byte) []byte {
		return func(body []byte) []byte { return append(bytes.Clone(body), b) }
	}
	switch wire {
	case "line":
		return framing{wrap: ending('\n')}, nil
	case "serpy": // mode 0
		return framing{wrap: ending(0x1f)}, nil
	case "len4":
		return framing{wrap: len4, before: 4}, nil
	case "tinyproto":
		ok := []byte{0xff}
		return framing{wrap: len4, greet: func(fd int) error { return exchange(fd, ok, ok) },
			thank: ok, skip: ok, grant: ok, head: 4, before: 4}, nil
	case "tinyproto-wait": // with a peer that waits for the OK to its head
		f, err := framingOf("tinyproto")
		f.early, f.thank = f.thank, nil
		return f, err
	case "serpy2": // a bytes message
		return framing{before: 14, wrap: func(body []byte) []byte {
			f := []byte{0xde, 0xca, 0xfe, 0xca, 0xfe, 0x81}
			sum := uint32(0)
			for _, b := range body {
				sum += uint32(b)
			}
			f = binary.LittleEndian.AppendUint32(f, sum)
			return append(binary.LittleEndian.AppendUint32(f, uint32(len(body))), body...)
		}}, nil
	case "redis": // ECHO
		return framing{
			wrap:   func(body []byte) []byte { return append([]byte("*2\r\n$4\r\nECHO\r\n"), bulk(body)...) },
			answer: bulk,
		}, nil
	case "nats": // PING, which carries no payload
		return framing{
			wrap:   func([]byte) []byte { return []byte("PING\r\n") },
			answer: func([]byte) []byte { return []byte("PONG\r\n") },
			greet:  greetNATS,
			other:  []byte("PING\r\n"), // the server's own, some time after the greeting
		}, nil
	}
	return framing{}, fmt.Errorf("unknown wire %q", wire)
}

func len4(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func bulk(body []byte) []byte { return fmt.Appendf(nil, "$%d\r\n%s\r\n", len(body), body) }

// exchange says something and expects the peer's word for it, on a blocking
// socket.
func exchange(fd int, say, want []byte) error {
	if _, err := syscall.Write(fd, say); err != nil {
		return err
	}
	return expect(fd, want)
}

// expect reads what must come, on a blocking socket.
func expect(fd int, want []byte) error {
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		m, err := readBlocking(fd, got[n:])
		if m <= 0 {
			return fmt.Errorf("read: %d of %d bytes, %v", n, len(got), err)
		}
		n += m
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%.40q came, not %.40q", got, want)
	}
	return nil
}

// greetNATS takes the server's INFO and waits until it has taken our CONNECT.
func greetNATS(fd int) error {
	var b [1]byte
	for b[0] != '\n' {
		if n, err := readBlocking(fd, b[:]); n != 1 {
			return fmt.Errorf("INFO: %d bytes, %v", n, err)
		}
	}
	return exchange(fd, []byte("CONNECT {\"verbose\":false}\r\nPING\r\n"), []byte("PONG\r\n"))
}
