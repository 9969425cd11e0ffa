// Command gonet is an echo server on the standard net package, one goroutine a
// connection, in three designs:
//
//	naive  a bufio.Reader, and one Write for every message
//	smart  a bufio.Reader and a bufio.Writer that is flushed when no whole
//	       message is left in the reader
//	batch  one growing read buffer a connection: every read's whole messages
//	       are answered with one Write
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"io"
	"log"
	"net"
)

type design func(net.Conn) error

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "listening address")
	proto := flag.String("proto", "line", "line, len4, ping or blob")
	kind := flag.String("design", "smart", "naive, smart or batch")
	bufSize := flag.Int("buf", 4096, "bytes of each bufio buffer, or of batch's first read buffer")
	flag.Parse()

	designs := map[string]design{
		"naive/line": func(c net.Conn) error { return naive(c, *bufSize, readLine) },
		"naive/len4": func(c net.Conn) error { return naive(c, *bufSize, readLen4) },
		"smart/line": func(c net.Conn) error { return smart(c, *bufSize, readLine, hasLine) },
		"smart/len4": func(c net.Conn) error { return smart(c, *bufSize, readLen4, hasLen4) },
		"smart/ping": func(c net.Conn) error { return smart(c, *bufSize, readPing, hasLine) },
		"batch/line": func(c net.Conn) error { return batch(c, *bufSize, lines) },
		"batch/len4": func(c net.Conn) error { return batch(c, *bufSize, len4s) },
		"batch/ping": func(c net.Conn) error { return batch(c, *bufSize, pings) },
		"naive/blob": blob, "smart/blob": blob, "batch/blob": blob,
	}
	serve, ok := designs[*kind+"/"+*proto]
	if !ok {
		log.Fatalf("no %s server for %s", *kind, *proto)
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer c.Close()
			if err := serve(c); err != nil && err != io.EOF {
				log.Print(err)
			}
		}()
	}
}

// readFrame appends the next message's answer to dst, which it may reuse.
type readFrame func(r *bufio.Reader, dst []byte) ([]byte, error)

func readLine(r *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		p, err := r.ReadSlice('\n')
		dst = append(dst, p...)
		if err != bufio.ErrBufferFull {
			return dst, err
		}
	}
}

func readLen4(r *bufio.Reader, dst []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	if _, err := io.ReadFull(r, dst[at:]); err != nil {
		return dst, err
	}
	n := int(binary.BigEndian.Uint32(dst[at:]))
	dst = grow(dst, n)
	_, err := io.ReadFull(r, dst[len(dst):len(dst)+n])
	return dst[:len(dst)+n], err
}

func readPing(r *bufio.Reader, dst []byte) ([]byte, error) {
	p, err := r.ReadSlice('\n')
	if err != nil {
		return dst, err
	}
	return appendPong(dst, p), nil
}

func appendPong(dst, line []byte) []byte {
	if bytes.EqualFold(bytes.TrimRight(line, "\r\n"), []byte("PING")) {
		return append(dst, "+PONG\r\n"...)
	}
	return append(dst, "-ERR\r\n"...)
}

func grow(p []byte, n int) []byte {
	if cap(p)-len(p) >= n {
		return p
	}
	q := make([]byte, len(p), max(2*cap(p), len(p)+n))
	copy(q, p)
	return q
}

func naive(c net.Conn, size int, read readFrame) error {
	r := bufio.NewReaderSize(c, size)
	var out []byte
	for {
		var err error
		if out, err = read(r, out[:0]); err != nil {
			return err
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

func hasLine(r *bufio.Reader) bool {
	p, _ := r.Peek(r.Buffered())
	return bytes.IndexByte(p, '\n') >= 0
}

func hasLen4(r *bufio.Reader) bool {
	if r.Buffered() < 4 {
		return false
	}
	p, _ := r.Peek(4)
	return r.Buffered() >= 4+int(binary.BigEndian.Uint32(p))
}

func smart(c net.Conn, size int, read readFrame, more func(*bufio.Reader) bool) error {
	r := bufio.NewReaderSize(c, size)
	w := bufio.NewWriterSize(c, size)
	var out []byte
	for {
		var err error
		if out, err = read(r, out[:0]); err != nil {
			return err
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
		if r.Buffered() == 0 || !more(r) {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

// answerAll appends the answers to the whole messages of in to out and tells
// how much of in they took, and how long the next message is where known.
type answerAll func(in, out []byte) (used, need int, answers []byte)

func lines(in, out []byte) (int, int, []byte) {
	used := 0
	for {
		i := bytes.IndexByte(in[used:], '\n')
		if i < 0 {
			return used, 0, out
		}
		out = append(out, in[used:used+i+1]...)
		used += i + 1
	}
}

func len4s(in, out []byte) (int, int, []byte) {
	used := 0
	for len(in)-used >= 4 {
		n := 4 + int(binary.BigEndian.Uint32(in[used:]))
		if len(in)-used < n {
			return used, n, out
		}
		out = append(out, in[used:used+n]...)
		used += n
	}
	return used, 0, out
}

func pings(in, out []byte) (int, int, []byte) {
	used := 0
	for {
		i := bytes.IndexByte(in[used:], '\n')
		if i < 0 {
			return used, 0, out
		}
		out = appendPong(out, in[used:used+i+1])
		used += i + 1
	}
}

func batch(c net.Conn, size int, answer answerAll) error {
	const most = 256 << 10
	in := make([]byte, 0, size)
	var out []byte
	for {
		n, err := c.Read(in[len(in):cap(in)])
		if err != nil {
			return err
		}
		in = in[:len(in)+n]
		full := len(in) == cap(in)
		var used, need int
		used, need, out = answer(in, out[:0])
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
		rest := copy(in, in[used:])
		in = in[:rest]
		if full && (cap(in) < most || rest == cap(in)) || need > cap(in) {
			in = grow(in, max(cap(in), need-rest))
		}
	}
}

// blob takes each frame whole into one buffer and answers its last byte.
func blob(c net.Conn) error {
	var head [4]byte
	var body []byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if cap(body) < n {
			body = make([]byte, n)
		}
		if _, err := io.ReadFull(c, body[:n]); err != nil {
			return err
		}
		if _, err := c.Write(body[n-1 : n]); err != nil {
			return err
		}
	}
}
